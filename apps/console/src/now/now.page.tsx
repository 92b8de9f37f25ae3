import {
  stateOfStep,
  type Counted,
  type IntegrationNow,
  type LostOutcomes,
  type Now,
  type ParkedGroup,
  type Problem,
  type QueuesNow,
  type WaitingGroup,
} from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import { PauseForm } from '../operations/integration-forms.js';
import {
  ActionForm,
  Badge,
  ExactTime,
  Live,
  ReasonField,
  Table,
  Time,
  countOf,
  type Tone,
} from '../web/parts.js';
import { PATHS, pathOfList } from '../web/paths.js';

interface NowPageProps {
  now: Now;
  token: string;
  role: Role;
}

export function NowPage({ now, token, role }: NowPageProps) {
  const mayAct = mayActAs(role, 'operator');
  return (
    <Live path={PATHS.now} everyS={5}>
      <h1>Now</h1>
      <Problems problems={now.problems} />
      <Integrations integrations={now.integrations} />
      {now.lostOutcomes.length > 0 && <Lost groups={now.lostOutcomes} />}
      {now.parked.length > 0 && <Parked groups={now.parked} />}
      {now.waiting.length > 0 && <Waiting groups={now.waiting} />}
      <Queues now={now.queues} />
      {mayAct && <SystemActions integrations={now.integrations} token={token} />}
      <p>
        <small>
          As of <ExactTime at={now.at} /> UTC. Processes:{' '}
          {now.processes.map(({ name, isLive }) => (isLive ? name : `${name} (silent)`)).join(', ') ||
            'none has reported'}
          .
        </small>
      </p>
    </Live>
  );
}

const TONES: Record<Problem['severity'], Tone> = { critical: 'bad', serious: 'warn', notice: 'quiet' };

function Problems({ problems }: { problems: readonly Problem[] }) {
  if (problems.length === 0) {
    return (
      <p role="status" class="all-well">
        <Badge tone="good">all well</Badge> Nothing is wrong.
      </p>
    );
  }
  return (
    <ol class="problems" aria-label="Problems, worst first">
      {problems.map((problem) => (
        <li key={`${problem.kind} ${problem.text}`} class={TONES[problem.severity]}>
          <Badge tone={TONES[problem.severity]}>{problem.severity}</Badge> {problem.text}{' '}
          {problem.since !== null && (
            <small>
              since <Time at={problem.since} />
            </small>
          )}{' '}
          <Affected problem={problem} />
        </li>
      ))}
    </ol>
  );
}

const FILTERS: Partial<Record<Problem['kind'], Record<string, string>>> = {
  lost_outcomes: { state: 'outcome_unknown' },
  parked: { parked: 'true' },
  ended_unresolved: { unresolved: 'true' },
};

/** The list with the onboardings of a problem. */
function Affected({ problem: { kind, integration, queue, affected } }: { problem: Problem }) {
  if (queue !== null) return <a href={`${PATHS.queues}/queue/${queue}`}>the queue</a>;
  if (affected === null || affected.count === 0) return null;
  const of = integration === null ? {} : { integration };
  const filter = { ...of, ...(FILTERS[kind] ?? { live: 'true' }) };
  return <CountLink counted={affected} filter={filter} unit="onboarding" />;
}

function CountLink({ counted, filter, unit = '' }: CountLinkProps) {
  if (counted.count === 0) return <>0</>;
  const words = unit && ` ${unit}${counted.count === 1 ? '' : 's'}`;
  return <a href={pathOfList(filter)}>{`${countOf(counted)}${words}`}</a>;
}

interface CountLinkProps {
  counted: Counted;
  filter: Record<string, string>;
  unit?: string;
}

function Integrations({ integrations }: { integrations: readonly IntegrationNow[] }) {
  if (integrations.length === 0) return <p>No integration has reported yet.</p>;
  return (
    <section>
      <h2>Integrations</h2>
      {integrations.map((integration) => (
        <Integration key={integration.name} integration={integration} />
      ))}
    </section>
  );
}

function Integration({ integration }: { integration: IntegrationNow }) {
  const { name, status, since, detail, pause, affected, errors, seenBy } = integration;
  return (
    <article aria-label={name}>
      <h3>
        {name} <Badge tone={status === 'up' ? 'good' : 'bad'}>{pause ? 'paused' : status}</Badge>{' '}
        {since !== null && (
          <small>
            since <Time at={since} />
          </small>
        )}
      </h3>
      {detail !== null && <p>{detail}</p>}
      {pause && (
        <p>
          Paused by {pause.by} <Time at={pause.since} />: <q>{pause.reason}</q>
        </p>
      )}
      <p>
        Waiting: <CountLink counted={affected.waiting} filter={{ integration: name, live: 'true' }} />,
        parked: <CountLink counted={affected.parked} filter={{ integration: name, parked: 'true' }} />,
        outcome unknown:{' '}
        <CountLink
          counted={affected.outcomeUnknown}
          filter={{ integration: name, state: 'outcome_unknown' }}
        />
      </p>
      {errors.length + seenBy.length > 0 && <Seen errors={errors} seenBy={seenBy} />}
    </article>
  );
}

function Seen({ errors, seenBy }: Pick<IntegrationNow, 'errors' | 'seenBy'>) {
  return (
    <ul class="facts">
      {errors.map((error) => (
        <li key={error.call}>
          {`${error.call}: ${error.class}${statusOf(error.upstreamStatus)}, `}
          {`${error.failures} in a row, last `}
          <Time at={error.lastAt} />
        </li>
      ))}
      {seenBy
        .filter((each) => each.breaker !== 'closed' || each.refusedSince !== null || each.signer !== null)
        .map(({ process, breaker, breakerSince, refusedSince, refusedStatus, signer }) => (
          <li key={process}>
            {process}: breaker {breaker} {breakerSince !== null && <Time at={breakerSince} />}
            {refusedSince !== null && (
              <>
                {`, key refused${statusOf(refusedStatus)} `}
                <Time at={refusedSince} />
              </>
            )}
            {signer !== null && `, no signature: ${signer}`}
          </li>
        ))}
    </ul>
  );
}

const statusOf = (status: number | null) => (status === null ? '' : ` (${status})`);

function Lost({ groups }: { groups: readonly LostOutcomes[] }) {
  return (
    <section>
      <h2>Lost outcomes</h2>
      <p>The provider’s answer was lost. Check at the provider whether it did the step, then resolve.</p>
      <Table label="Lost outcomes" head={['Integration', 'Step', 'Onboardings', 'Oldest']}>
        {groups.map((group) => (
          <tr key={`${group.integration} ${group.step}`}>
            <th scope="row">{group.integration}</th>
            <td>{group.step}</td>
            <td>
              <CountLink
                counted={group}
                filter={{ integration: group.integration, state: 'outcome_unknown' }}
              />
            </td>
            <td>
              <Time at={group.since} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Parked({ groups }: { groups: readonly ParkedGroup[] }) {
  return (
    <section>
      <h2>Parked</h2>
      <p>These onboardings wait until the integration works again. A probe or a resume releases them.</p>
      <Table label="Parked" head={['Integration', 'Reason', 'Onboardings', 'Since']}>
        {groups.map((group) => (
          <tr key={`${group.integration} ${group.reason}`}>
            <th scope="row">{group.integration}</th>
            <td>{group.reason}</td>
            <td>
              <CountLink counted={group} filter={{ integration: group.integration, parked: 'true' }} />
            </td>
            <td>
              <Time at={group.since} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Waiting({ groups }: { groups: readonly WaitingGroup[] }) {
  return (
    <section>
      <h2>Waiting for the next try</h2>
      <Table
        label="Waiting"
        head={['Integration', 'Step', 'Last result', 'Onboardings', 'Since', 'Next try']}
      >
        {groups.map((group) => (
          <tr key={`${group.integration} ${group.step} ${group.lastResultCode}`}>
            <th scope="row">{group.integration}</th>
            <td>{group.step}</td>
            <td>
              {group.lastResultCode ?? '–'} <small>{group.detail}</small>
            </td>
            <td>
              <CountLink
                counted={group}
                filter={{ integration: group.integration, state: stateOfStep(group.step) }}
              />
            </td>
            <td>
              <Time at={group.since} />
            </td>
            <td>
              <Time at={group.nextAttemptAt} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Queues({ now: { redis, queues } }: { now: QueuesNow }) {
  return (
    <section>
      <h2>Queues</h2>
      {redis.status === 'down' ? (
        <p>
          <Badge tone="bad">Redis is away</Badge> {redis.detail} The service still serves callers. Retries
          wait.
        </p>
      ) : (
        <Table label="Queues" head={['Queue', 'Status', 'Waiting', 'Active', 'Delayed', 'Failed', 'Oldest']}>
          {queues.map((queue) => (
            <tr key={queue.name}>
              <th scope="row">
                <a href={`${PATHS.queues}/queue/${queue.name}`}>{queue.name}</a>
              </th>
              <td>
                <Badge tone={queue.paused ? 'warn' : queue.status === 'up' ? 'good' : 'bad'}>
                  {queue.paused ? 'paused' : queue.status}
                </Badge>{' '}
                {queue.status === 'down' && queue.detail}
              </td>
              <td>{queue.waiting}</td>
              <td>{queue.active}</td>
              <td>{queue.delayed}</td>
              <td>{queue.failed}</td>
              <td>
                <Time at={queue.oldestWaitingSince} />
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function SystemActions({ integrations, token }: { integrations: readonly IntegrationNow[]; token: string }) {
  return (
    <section aria-labelledby="acts">
      <h2 id="acts">Act</h2>
      {integrations.map((integration) => (
        <PauseForm key={integration.name} integration={integration} token={token} />
      ))}
      <details>
        <summary>Rebuild the wake-ups from PostgreSQL</summary>
        <p>Queues a job for each step that is due. Use it after Redis has lost its data.</p>
        <ActionForm action={`${PATHS.operations}/rebuild-wake-ups`} token={token}>
          <ReasonField id="reason-rebuild" />
          <button type="submit">Rebuild</button>
        </ActionForm>
      </details>
    </section>
  );
}
