import type { Operator, OperatorSession } from '#libs/operators';
import { ActionForm, ExactTime, Table } from '../web/parts.js';
import { PATHS } from '../web/paths.js';

interface SessionsProps {
  operator: Operator;
  token: string;
  sessions: OperatorSession[];
}

const HEAD = ['Operator', 'Action', 'Role', 'Address', 'Login by', 'Last used (UTC)', 'Since (UTC)'];
const HOW = { oidc: 'identity provider', emergency: 'emergency password', link: 'one-time link' };

/** Operators see and end their own sessions. Admins see and end the sessions of all operators. */
export function SessionsPage({ operator, token, sessions }: SessionsProps) {
  return (
    <>
      <h1>{operator.role === 'admin' ? 'Sessions of all operators' : 'Your sessions'}</h1>
      <ActionForm action={PATHS.sessions} token={token}>
        {/* Enter presses the first button of a form: it must end only own sessions. */}
        {sessions.length > 1 && (
          <button type="submit" name="session" value="others" class="secondary">
            End all my other sessions
          </button>
        )}
        <Table label="Sessions" head={HEAD}>
          {sessions.map((session) => (
            <Row key={session.id} {...session} />
          ))}
        </Table>
      </ActionForm>
    </>
  );
}

function Row({ id, name, identity, role, how, address, beganAt, lastUsedAt, isThis }: OperatorSession) {
  const label = `End the session of ${name} from ${address}`;
  const end = (
    <button type="submit" name="session" value={id} class="outline" aria-label={label}>
      End
    </button>
  );
  return (
    <tr>
      <th scope="row">
        {name} <small>{identity}</small>
      </th>
      <td>{isThis ? 'this session' : end}</td>
      <td>{role}</td>
      <td>{address}</td>
      <td>{HOW[how]}</td>
      <td>
        <ExactTime at={lastUsedAt.toISOString()} />
      </td>
      <td>
        <ExactTime at={beganAt.toISOString()} />
      </td>
    </tr>
  );
}
