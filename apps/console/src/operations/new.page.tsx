import { OPERATION_ACTIONS, type OperationAction, type Preview } from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import { Rows } from '../onboardings/list.page.js';
import { ActionForm, ReasonField, countOf } from '../web/parts.js';
import { PATHS } from '../web/paths.js';
import { ACTION_WORDS, roleOfAction } from './actions.js';

/** What an action would do now. */
export interface DryRun {
  action: OperationAction;
  /** All onboardings that match the filter. */
  matching: Preview;
  /** Of these, the onboardings for which the action is possible. `fields` is the filter that selects them. */
  fitting: Preview;
  fields: readonly [name: string, value: string][];
}

interface NewOperationPageProps {
  fields: readonly [name: string, value: string][];
  dryRun: DryRun | null;
  token: string;
  role: Role;
}

/** Asks for the action, then shows the dry run and asks for the reason. */
export function NewOperationPage({ fields, dryRun, token, role }: NewOperationPageProps) {
  return (
    <>
      <h1>Act on all onboardings that match</h1>
      <p>
        Filter: {fields.map(([name, value]) => `${name} = ${value}`).join(', ')}.{' '}
        <a href={`${PATHS.onboardings}?${new URLSearchParams([...fields]).toString()}`}>See the list</a>
      </p>
      <form method="get" action={`${PATHS.operations}/new`}>
        <Hidden fields={fields} />
        <label for="action">Action</label>
        <div role="group">
          <select id="action" name="action" required>
            <option value="">choose</option>
            {OPERATION_ACTIONS.filter((each) => mayActAs(role, roleOfAction(each))).map((each) => (
              <option value={each} selected={each === dryRun?.action} key={each}>
                {ACTION_WORDS[each]}
              </option>
            ))}
          </select>
          <button type="submit" class="secondary">
            Dry run
          </button>
        </div>
      </form>
      {dryRun && <DryRunResult dryRun={dryRun} token={token} />}
    </>
  );
}

function DryRunResult({ dryRun: { action, matching, fitting, fields }, token }: DryRunResultProps) {
  // If counting stopped at its limit, the two counts cannot be compared.
  const hasOthers = fitting.counted === 'exactly' && fitting.count < matching.count;
  return (
    <section aria-labelledby="dry-run">
      <h2 id="dry-run">{`Dry run: ${countOf(fitting)} of ${countOf(matching)} can be tried`}</h2>
      <p>
        Nothing was changed. {hasOthers && 'The action does not fit the state or the step of the others.'}
      </p>
      <Rows rows={fitting.sample} />
      {fitting.count > 0 && (
        <ActionForm action={PATHS.operations} token={token}>
          <Hidden fields={fields} />
          <input type="hidden" name="action" value={action} />
          {fitting.counted === 'exactly' && <input type="hidden" name="atMost" value={fitting.count} />}
          <ReasonField id="reason" />
          <button type="submit">{`${ACTION_WORDS[action]}: ${countOf(fitting)}`}</button>
        </ActionForm>
      )}
    </section>
  );
}

interface DryRunResultProps {
  dryRun: DryRun;
  token: string;
}

const Hidden = ({ fields }: { fields: readonly [name: string, value: string][] }) => (
  <>
    {fields.map(([name, value]) => (
      <input type="hidden" name={name} value={value} key={`${name} ${value}`} />
    ))}
  </>
);
