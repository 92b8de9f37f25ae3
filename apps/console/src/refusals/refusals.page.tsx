import { TEXTS_KEPT, type UnknownRefusal } from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import { ActionForm, AsOf, ExactTime, Table } from '../web/parts.js';
import { PATHS, pathOfOnboarding } from '../web/paths.js';

interface RefusalsPageProps {
  texts: readonly UnknownRefusal[];
  /** The integration to show. Null for all integrations. */
  integration: string | null;
  token: string;
  role: Role;
}

const HEAD = ['Integration', 'Call', 'Status', 'Text', 'Count', 'First (UTC)', 'Last (UTC)', 'Example'];

export function RefusalsPage({ texts, integration, token, role }: RefusalsPageProps) {
  const mayForget = mayActAs(role, 'admin');
  return (
    <>
      <h1>Unknown refusals</h1>
      <p>
        Providers refused calls with these texts, and Gangway does not know what they mean. Personal data and
        secrets are replaced. Such a call ends as its status says, or as <code>upstream_rejected</code>.
      </p>
      <p>
        To make a text known, a developer adds it to <code>known-texts.ts</code> of the provider with a test.
        After the release, {mayForget ? 'forget it here' : 'an admin forgets it here'}. A text that comes
        again is listed again.
      </p>
      {integration !== null && (
        <p>
          Only {integration}. <a href={PATHS.refusals}>Show all</a>
        </p>
      )}
      <AsOf />
      {texts.length === 0 ? (
        <p role="status">All refusals are known.</p>
      ) : (
        <ActionForm action={PATHS.refusals} token={token}>
          <Table label="Unknown refusals" head={mayForget ? [...HEAD, 'Action'] : HEAD}>
            {texts.map((text) => (
              <Row key={text.id} text={text} mayForget={mayForget} />
            ))}
          </Table>
        </ActionForm>
      )}
    </>
  );
}

function Row({ text, mayForget }: { text: UnknownRefusal; mayForget: boolean }) {
  const { id, integration, step, status, refusal, count, firstSeenAt, lastSeenAt, onboardingId } = text;
  const name = refusal || `other texts (more than ${TEXTS_KEPT})`;
  return (
    <tr>
      <td>{integration}</td>
      <td>{step}</td>
      <td>{status}</td>
      <th scope="row">{refusal ? <q>{refusal}</q> : name}</th>
      <td>{count.toLocaleString('en')}</td>
      <td>
        <ExactTime at={firstSeenAt} />
      </td>
      <td>
        <ExactTime at={lastSeenAt} />
      </td>
      <td>
        {onboardingId === null ? (
          '–'
        ) : (
          <a href={pathOfOnboarding(onboardingId)} aria-label={`The latest onboarding with: ${name}`}>
            onboarding
          </a>
        )}
      </td>
      {mayForget && (
        <td>
          <button type="submit" name="id" value={id} class="outline" aria-label={`Forget: ${name}`}>
            Forget
          </button>
        </td>
      )}
    </tr>
  );
}
