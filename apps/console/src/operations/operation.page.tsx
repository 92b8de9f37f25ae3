import type { Operation, OperationItem } from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import { ActionForm, Badge, Live, ReasonField, Table, Time, type Tone } from '../web/parts.js';
import { pathOfOnboarding, pathOfOperation } from '../web/paths.js';
import { titleOf } from './actions.js';
import { OperationState } from './operations.page.js';

interface OperationPageProps {
  operation: Operation;
  items: readonly OperationItem[];
  limit: number;
  token: string;
  role: Role;
  path: string;
}

export function OperationPage({ operation, items, limit, token, role, path }: OperationPageProps) {
  const { id, total, done, refused, failed, state } = operation;
  const tried = done + refused + failed;
  const isOpen = state === 'queued' || state === 'running';
  const last = items.at(-1);
  const content = (
    <>
      <h1>{titleOf(operation)}</h1>
      <p role="status">
        <OperationState {...operation} /> {`${tried} of ${total} tried: ${done} done, ${refused} refused, `}
        {`${failed} failed.`}
      </p>
      <progress value={tried} max={Math.max(total, 1)} aria-label="Progress" />
      <p>
        By {operation.actor}, <Time at={operation.createdAt} />. Reason: <q>{operation.reason}</q>
      </p>
      {isOpen && mayActAs(role, 'operator') && <Abort id={id} token={token} />}
      {items.length > 0 && (
        <Table label="Onboardings" head={['Onboarding', 'Outcome', 'Why', 'When']}>
          {items.map((item) => (
            <tr key={item.onboardingId}>
              <th scope="row">
                <a href={pathOfOnboarding(item.onboardingId)}>
                  <code>{item.onboardingId}</code>
                </a>
              </th>
              <td>
                <OutcomeBadge outcome={item.outcome} />
              </td>
              <td>
                {item.code !== null && <code>{item.code}</code>} {item.detail}
              </td>
              <td>
                <Time at={item.at} />
              </td>
            </tr>
          ))}
        </Table>
      )}
      {items.length === limit && last && (
        <nav aria-label="More" class="more">
          <a rel="next" href={`${pathOfOperation(id)}?after=${last.onboardingId}`}>
            More
          </a>
        </nav>
      )}
    </>
  );
  return isOpen ? (
    <Live path={path} everyS={1}>
      {content}
    </Live>
  ) : (
    // An ended operation needs no more refreshes, but the last refresh searches its answer for this id.
    <div id="live">{content}</div>
  );
}

function Abort({ id, token }: { id: string; token: string }) {
  return (
    <details>
      <summary>Abort</summary>
      <p>Onboardings that were not tried yet stay as they are. Nothing is undone.</p>
      <ActionForm action={`${pathOfOperation(id)}/abort`} token={token}>
        <ReasonField id="reason" />
        <button type="submit" class="contrast">
          Abort
        </button>
      </ActionForm>
    </details>
  );
}

const TONES: Record<OperationItem['outcome'], Tone> = {
  waiting: 'quiet',
  done: 'good',
  refused: 'warn',
  failed: 'bad',
};

export const OutcomeBadge = ({ outcome }: Pick<OperationItem, 'outcome'>) => (
  <Badge tone={TONES[outcome]}>{outcome}</Badge>
);
