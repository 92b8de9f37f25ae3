import type { Operator, OperatorSession } from '#libs/operators';
import { PATHS } from '../web/paths.js';

interface SessionsProps {
  operator: Operator;
  token: string;
  /** The own sessions; for an admin, those of all operators. */
  sessions: OperatorSession[];
}

const HOW = { oidc: 'identity provider', emergency: 'emergency password', link: 'one-time link' };

/** Where operators are logged in. Each can end the own sessions, and an admin all. */
export function SessionsPage({ operator, token, sessions }: SessionsProps) {
  const isAdmin = operator.role === 'admin';
  return (
    <>
      <h1>{isAdmin ? 'Sessions of all operators' : 'Your sessions'}</h1>
      <form method="post" action={PATHS.sessions}>
        <input type="hidden" name="token" value={token} />
        {/* Enter presses the first button of a form: it must end only own sessions. */}
        {sessions.length > 1 && (
          <button type="submit" name="session" value="others" class="secondary">
            End all my other sessions
          </button>
        )}
        <div class="overflow-auto" role="region" aria-label="Sessions" tabindex={0}>
          <table class="striped">
            <thead>
              <tr>
                {['Operator', 'Role', 'Login by', 'Address', 'Since', 'Last used', 'Action'].map((name) => (
                  <th scope="col" key={name}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {sessions.map((session) => (
                <Row key={session.id} {...session} />
              ))}
            </tbody>
          </table>
        </div>
      </form>
    </>
  );
}

function Row({ id, name, role, how, address, beganAt, lastUsedAt, isThis }: OperatorSession) {
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{role}</td>
      <td>{HOW[how]}</td>
      <td>{address}</td>
      <td>{time(beganAt)}</td>
      <td>{time(lastUsedAt)}</td>
      <td>
        {isThis ? (
          'this session'
        ) : (
          <button
            type="submit"
            name="session"
            value={id}
            class="outline"
            aria-label={`End the session of ${name} from ${address}`}
          >
            End
          </button>
        )}
      </td>
    </tr>
  );
}

const time = (at: Date) => (
  <time datetime={at.toISOString()}>{`${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`}</time>
);
