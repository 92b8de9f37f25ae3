import type { ChangedLevel } from '#libs/database';
import type {
  Counted,
  IntegrationNow,
  LostOutcomes,
  Now,
  ParkedGroup,
  Problem,
  QueuesNow,
  WaitingGroup,
} from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import type { ListQuery } from '../onboardings/filter.js';
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
import { PATHS, pathOfDryRun, pathOfList, pathOfRefusals } from '../web/paths.js';

interface NowPageProps {
  now: Now;
  /** How many texts of refusals are unknown, by integration. */
  unknownRefusals: ReadonlyMap<string, number>;
  levels: readonly ChangedLevel[];
  token: string;
  role: Role;
}

export function NowPage({ now, unknownRefusals, levels, token, role }: NowPageProps) {
  const mayAct = mayActAs(role, 'operator');
  return (
    <Live path={PATHS.now} everyS={5}>
      <h1>Now</h1>
      <Problems problems={now.problems} />
      <Integrations integrations={now.integrations} unknownRefusals={unknownRefusals} />
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
      {levels.length > 0 && <Levels levels={levels} />}
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

const FILTERS: Partial<Record<Problem['kind'], Filter>> = {
  lost_outcomes: { state: 'outcome_unknown' },
  parked: { parked: 'true' },
  waiting: { waiting: 'true' },
  ended_unresolved: { unresolved: 'true' },
};

/** Links to the list of the onboardings that a problem affects. */
function Affected({ problem }: { problem: Problem }) {
  const { kind, integration, step, parkedReason, queue, affected } = problem;
  if (queue !== null) return <a href={`${PATHS.queues}/queue/${queue}`}>the queue</a>;
  if (affected === null || affected.count === 0) return null;
  // An integration's problem affects several groups of onboardings. The integration's card links to each
  // group.
  if (kind === 'integration') return <small>{wordsOf(affected)}</small>;
  const filter = {
    ...FILTERS[kind],
    ...(integration !== null && { integration }),
    ...(step !== null && { step }),
    ...(parkedReason !== null && { parkedReason }),
  };
  return <a href={pathOfList(filter)}>{wordsOf(affected)}</a>;
}

const wordsOf = (counted: Counted) => `${countOf(counted)} onboarding${counted.count === 1 ? '' : 's'}`;

function CountLink({ counted, filter }: CountLinkProps) {
  if (counted.count === 0) return <>0</>;
  return <a href={pathOfList(filter)}>{countOf(counted)}</a>;
}

/** A filter of the list of onboardings, as query parameters. */
type Filter = Partial<Record<keyof ListQuery, string>>;

interface CountLinkProps {
  counted: Counted;
  filter: Filter;
}

/** Shows the changed log levels, because a forgotten level `debug` would fill the disk. */
function Levels({ levels }: Pick<NowPageProps, 'levels'>) {
  return (
    <p>
      <small>
        Log levels changed:{' '}
        {levels.map(({ module, level, actor, until }, index) => (
          <span key={module}>
            {index > 0 && ', '}
            {module} {level} until <ExactTime at={until} /> UTC (by {actor})
          </span>
        ))}
        .
      </small>
    </p>
  );
}

function Integrations({
  integrations,
  unknownRefusals,
}: Pick<NowPageProps, 'unknownRefusals'> & { integrations: readonly IntegrationNow[] }) {
  if (integrations.length === 0) return <p>No integration has reported yet.</p>;
  return (
    <section>
      <h2>Integrations</h2>
      {integrations.map((integration) => (
        <Integration
          key={integration.name}
          integration={integration}
          unknownRefusals={unknownRefusals.get(integration.name) ?? 0}
        />
      ))}
    </section>
  );
}

function Integration({ integration, unknownRefusals }: IntegrationProps) {
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
        Waiting: <CountLink counted={affected.waiting} filter={{ integration: name, waiting: 'true' }} />,
        parked: <CountLink counted={affected.parked} filter={{ integration: name, parked: 'true' }} />,
        outcome unknown:{' '}
        <CountLink
          counted={affected.outcomeUnknown}
          filter={{ integration: name, state: 'outcome_unknown' }}
        />
      </p>
      {unknownRefusals > 0 && (
        <p>
          Unknown refusals: <a href={pathOfRefusals(name)}>{unknownRefusals}</a>
        </p>
      )}
      {errors.length + seenBy.length > 0 && <Seen errors={errors} seenBy={seenBy} />}
    </article>
  );
}

interface IntegrationProps {
  integration: IntegrationNow;
  unknownRefusals: number;
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
      <p>
        The provider’s answer was lost. After verify-otp, only a new code helps. After create-authenticators,
        check at the provider whether the passkeys are there, then resolve.
      </p>
      <Table label="Lost outcomes" head={['Integration', 'Step', 'Onboardings', 'Oldest', 'Resolve all']}>
        {groups.map(({ integration, step, since, ...counted }) => {
          const filter = { integration, state: 'outcome_unknown', step };
          return (
            <tr key={`${integration} ${step}`}>
              <th scope="row">{integration}</th>
              <td>{step}</td>
              <td>
                <CountLink counted={counted} filter={filter} />
              </td>
              <td>
                <Time at={since} />
              </td>
              <td>
                <Resolutions step={step} filter={filter} />
              </td>
            </tr>
          );
        })}
      </Table>
    </section>
  );
}

/** If the answer to `verify-otp` was lost, its session is lost too. Then only a new code helps. */
function Resolutions({ step, filter }: { step: LostOutcomes['step']; filter: Record<string, string> }) {
  if (step === 'verify-otp') return <a href={pathOfDryRun('resend', filter)}>Send a new code</a>;
  return (
    <>
      <a href={pathOfDryRun('resolve_done', filter)}>It was done</a>{' '}
      <a href={pathOfDryRun('resolve_not_done', filter)}>It was not done</a>
    </>
  );
}

const REMEDIES: Record<ParkedGroup['reason'], string> = {
  upstream_misconfigured:
    'The provider refuses our key, its rights or our clock. Repair that; a probe then releases them.',
  integration_missing: 'Configure this integration again; a worker then releases them.',
  integration_paused: 'Resume the integration.',
};

function Parked({ groups }: { groups: readonly ParkedGroup[] }) {
  return (
    <section>
      <h2>Parked</h2>
      <p>No step of these onboardings is tried. They still end at their time.</p>
      <Table label="Parked" head={['Integration', 'Reason', 'Onboardings', 'Since', 'What to do']}>
        {groups.map((group) => (
          <tr key={`${group.integration} ${group.reason}`}>
            <th scope="row">{group.integration}</th>
            <td>{group.reason}</td>
            <td>
              <CountLink
                counted={group}
                filter={{ integration: group.integration, parked: 'true', parkedReason: group.reason }}
              />
            </td>
            <td>
              <Time at={group.since} />
            </td>
            <td>{REMEDIES[group.reason]}</td>
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
                filter={{ integration: group.integration, waiting: 'true', step: group.step }}
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
      {redis.status === 'down' && (
        <p>
          <Badge tone="bad">Redis</Badge> {redis.detail}. The service still serves callers. Retries wait.
        </p>
      )}
      {queues.length > 0 && (
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
