import type { Operation } from '#libs/onboarding';
import { Badge, Table, Time, type Tone } from '../web/parts.js';
import { PATHS, pathOfOperation } from '../web/paths.js';
import { titleOf } from './actions.js';

const TONES: Record<Operation['state'], Tone> = {
  queued: 'quiet',
  running: 'warn',
  done: 'good',
  aborted: 'bad',
};

/** A finished operation has the colour of a warning if it refused an onboarding, or failed at one. */
export function OperationState({ state, refused, failed }: Pick<Operation, 'state' | 'refused' | 'failed'>) {
  const isMixed = state === 'done' && refused + failed > 0;
  return <Badge tone={isMixed ? 'warn' : TONES[state]}>{state === 'done' ? 'finished' : state}</Badge>;
}

export function OperationsPage({ operations, limit }: { operations: readonly Operation[]; limit: number }) {
  const last = operations.at(-1);
  return (
    <>
      <h1>Operations</h1>
      {operations.length === 0 && <p role="status">There are no operations.</p>}
      {operations.length > 0 && (
        <Table
          label="Operations"
          head={['Operation', 'State', 'By', 'Reason', 'Done', 'Refused', 'Failed', 'Began']}
        >
          {operations.map((operation) => (
            <tr key={operation.id}>
              <th scope="row">
                <a href={pathOfOperation(operation.id)}>{titleOf(operation)}</a>
              </th>
              <td>
                <OperationState {...operation} />
              </td>
              <td>{operation.actor}</td>
              <td>{operation.reason}</td>
              <td>{`${operation.done} of ${operation.total}`}</td>
              <td>{operation.refused}</td>
              <td>{operation.failed}</td>
              <td>
                <Time at={operation.createdAt} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      {operations.length === limit && last && (
        <nav aria-label="More" class="more">
          <a rel="next" href={`${PATHS.operations}?after=${last.id}`}>
            Older
          </a>
        </nav>
      )}
    </>
  );
}
