import type { KeptEvent } from '#libs/callers';
import { AsOf, ExactTime, Table } from '../web/parts.js';
import { PATHS, pathOfOperation } from '../web/paths.js';

export function AuditPage({ events, limit }: { events: readonly KeptEvent[]; limit: number }) {
  const last = events.at(-1);
  return (
    <>
      <h1>Audit</h1>
      <AsOf />
      <Table label="Audit" head={['When (UTC)', 'Who', 'What', 'Target', 'Reason', 'Address', 'Details']}>
        {events.map((event) => (
          <tr key={event.id}>
            <td>
              <ExactTime at={event.at} />
            </td>
            <th scope="row">{event.actor}</th>
            <td>{whatOf(event)}</td>
            <td>
              <Target event={event} />
            </td>
            <td>{String(event.data['reason'] ?? '–')}</td>
            <td>{event.address ?? '–'}</td>
            <td>
              <small>{detailsOf(event)}</small>
            </td>
          </tr>
        ))}
      </Table>
      {events.length === limit && last && (
        <nav aria-label="More" class="more">
          <a rel="next" href={`${PATHS.audit}?before=${last.id}`}>
            Older
          </a>
        </nav>
      )}
    </>
  );
}

function Target({ event: { action, target } }: { event: KeptEvent }) {
  if (target === null) return <>–</>;
  return action.startsWith('operation_') ? <a href={pathOfOperation(target)}>{target}</a> : <>{target}</>;
}

/**
 * The text for the action of an audit event. For an operation, the text also names what the operation does.
 */
const whatOf = ({ action, data }: KeptEvent) =>
  typeof data['action'] === 'string' ? `${action}: ${data['action']}` : action;

const detailsOf = ({ data }: KeptEvent) =>
  Object.entries(data)
    .filter(([name, value]) => value !== null && name !== 'reason' && name !== 'action')
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
