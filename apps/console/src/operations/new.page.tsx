import { OPERATION_ACTIONS, type OperationAction, type Preview } from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import { Rows } from '../onboardings/list.page.js';
import { ActionForm, ReasonField, countOf } from '../web/parts.js';
import { PATHS } from '../web/paths.js';
import { ACTION_WORDS, roleOfAction } from './actions.js';

interface NewOperationPageProps {
  fields: readonly [name: string, value: string][];
  action: OperationAction | undefined;
  preview: Preview | undefined;
  token: string;
  role: Role;
}

/** Asks for the action, then shows the dry run and asks for the reason. */
export function NewOperationPage({ fields, action, preview, token, role }: NewOperationPageProps) {
  const hidden = fields.map(([name, value]) => (
    <input type="hidden" name={name} value={value} key={`${name} ${value}`} />
  ));
  return (
    <>
      <h1>Act on all onboardings that match</h1>
      <p>
        Filter: {fields.length === 0 ? 'all' : fields.map(([name, value]) => `${name} = ${value}`).join(', ')}
        . <a href={`${PATHS.onboardings}?${new URLSearchParams([...fields])}`}>See the list</a>
      </p>
      <form method="get" action={`${PATHS.operations}/new`}>
        {hidden}
        <label for="action">Action</label>
        <div role="group">
          <select id="action" name="action" required>
            {OPERATION_ACTIONS.filter((each) => mayActAs(role, roleOfAction(each))).map((each) => (
              <option value={each} selected={each === action} key={each}>
                {ACTION_WORDS[each]}
              </option>
            ))}
          </select>
          <button type="submit" class="secondary">
            Dry run
          </button>
        </div>
      </form>
      {action && preview && (
        <section aria-labelledby="dry-run">
          <h2 id="dry-run">{`Dry run: ${countOf(preview)} would be tried`}</h2>
          <p>Nothing was changed. The operation refuses each onboarding that does not allow the action.</p>
          <Rows rows={preview.sample} />
          {preview.count > 0 && (
            <ActionForm action={PATHS.operations} token={token}>
              {hidden}
              <input type="hidden" name="action" value={action} />
              <ReasonField id="reason" />
              <button type="submit">{`${ACTION_WORDS[action]}: ${countOf(preview)}`}</button>
            </ActionForm>
          )}
        </section>
      )}
    </>
  );
}
