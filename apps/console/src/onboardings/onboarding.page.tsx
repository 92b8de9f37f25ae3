import type { ComponentChildren } from 'preact';
import type { ActionView, AttemptView, OnboardingDetail, OperationOfOnboarding } from '#libs/onboarding';
import { mayActAs, type Role } from '#libs/operators';
import { ACTION_WORDS, roleOfAction } from '../operations/actions.js';
import { ActionForm, Badge, ExactTime, Live, ReasonField, Table, Time } from '../web/parts.js';
import { roleMissing } from '../web/gate.js';
import { OutcomeBadge } from '../operations/operation.page.js';
import { PATHS, pathOfOnboarding, pathOfOperation } from '../web/paths.js';
import { StateBadge } from './list.page.js';

interface OnboardingPageProps {
  onboarding: OnboardingDetail;
  operations: readonly OperationOfOnboarding[];
  token: string;
  role: Role;
}

export function OnboardingPage({ onboarding, operations, token, role }: OnboardingPageProps) {
  const path = pathOfOnboarding(onboarding.id);
  return (
    <Live path={path} everyS={2}>
      <h1>
        Onboarding <code>{onboarding.id}</code>
      </h1>
      <p>
        <StateBadge {...onboarding} /> {onboarding.explanation}
      </p>
      <Facts onboarding={onboarding} />
      <Actions onboarding={onboarding} token={token} role={role} />
      <OperationsOf operations={operations} />
      <Attempts attempts={onboarding.attempts} />
      <Timeline onboarding={onboarding} />
    </Live>
  );
}

function Facts({ onboarding }: { onboarding: OnboardingDetail }) {
  const { lastResult, failure, codes, job, subject } = onboarding;
  return (
    <dl class="facts">
      <Fact name="Integration">
        {onboarding.integration} ({onboarding.provider})
      </Fact>
      <Fact name="Caller">{onboarding.caller}</Fact>
      {onboarding.externalRef !== null && <Fact name="externalRef">{onboarding.externalRef}</Fact>}
      {Object.entries(subject).map(([name, value]) => (
        <Fact name={name} key={name}>
          <code>{value}</code>
        </Fact>
      ))}
      <Fact name="Started">
        <Time at={onboarding.createdAt} />
      </Fact>
      {onboarding.endsAt !== null && (
        <Fact name="Ends by itself">
          <Time at={onboarding.endsAt} />
        </Fact>
      )}
      {onboarding.nextAttemptAt !== null && (
        <Fact name="Next try">
          <Time at={onboarding.nextAttemptAt} />
        </Fact>
      )}
      {lastResult && onboarding.endsAt !== null && (
        <Fact name="Last result">
          {lastResult.step}: {lastResult.code}. {lastResult.detail}
        </Fact>
      )}
      {failure && (
        <Fact name="Failure">
          {failure.step}: {failure.code}
          {failure.upstreamStatus !== null && ` (${failure.upstreamStatus})`}. {failure.detail}
        </Fact>
      )}
      {onboarding.endsAt !== null && (
        <Fact name="Codes">
          {`${codes.sent} sent, ${codes.wrong} wrong, ${codes.triesLeft} tries left`}
          {codes.expiresAt !== null && (
            <>
              , the last one ends <Time at={codes.expiresAt} />
            </>
          )}
        </Fact>
      )}
      {onboarding.otpId !== null && (
        <Fact name="otpId">
          <code>{onboarding.otpId}</code>
        </Fact>
      )}
      {onboarding.authenticators.length > 0 && (
        <Fact name="Passkeys">
          {onboarding.authenticators.map(({ id }) => id ?? 'id unknown').join(', ')}
        </Fact>
      )}
      {job && (
        <Fact name="Job">
          <a href={`${PATHS.queues}/queue/${job.queue}/${encodeURIComponent(job.id)}`}>{job.id}</a>
        </Fact>
      )}
      {onboarding.erasedAt !== null && (
        <Fact name="Erased">
          <Time at={onboarding.erasedAt} />
        </Fact>
      )}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function OperationsOf({ operations }: Pick<OnboardingPageProps, 'operations'>) {
  if (operations.length === 0) return null;
  return (
    <section>
      <h2>Operations</h2>
      <Table label="Operations" head={['Action', 'Outcome', 'Why', 'By', 'Reason', 'When']}>
        {operations.map((each) => (
          <tr key={each.id}>
            <th scope="row">
              <a href={pathOfOperation(each.id)}>{ACTION_WORDS[each.action]}</a>
            </th>
            <td>
              <OutcomeBadge outcome={each.outcome} />
            </td>
            <td>
              {each.code} {each.detail}
            </td>
            <td>{each.actor}</td>
            <td>{each.reason}</td>
            <td>
              <Time at={each.createdAt} />
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Attempts({ attempts }: { attempts: readonly AttemptView[] }) {
  if (attempts.length === 0) return null;
  return (
    <section>
      <h2>Attempts</h2>
      <Table label="Attempts" head={['Attempt', 'Step', 'Began', 'Took', 'Result', 'Status', 'Evidence']}>
        {attempts.map((attempt) => (
          <tr key={attempt.attempt}>
            <th scope="row">{attempt.attempt}</th>
            <td>{attempt.step}</td>
            <td>
              <ExactTime at={attempt.startedAt} />
            </td>
            <td>{attempt.durationMs === null ? '–' : `${attempt.durationMs} ms`}</td>
            <td>
              <ResultOf attempt={attempt} />
            </td>
            <td>{attempt.upstreamStatus ?? '–'}</td>
            <td>{attempt.evidence?.detail ?? '–'}</td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function ResultOf({ attempt }: { attempt: AttemptView }) {
  return (
    <>
      {attempt.class === null ? (
        <Badge tone="quiet">in flight</Badge>
      ) : (
        <Badge tone={attempt.class === 'ok' ? 'good' : 'bad'}>{attempt.class}</Badge>
      )}
      {attempt.unresolved && (
        <>
          {' '}
          <Badge tone="warn">outcome unknown</Badge>
        </>
      )}
      {attempt.lateAnswer !== null && ` late answer: ${attempt.lateAnswer}`}
    </>
  );
}

function Timeline({ onboarding: { timeline } }: { onboarding: OnboardingDetail }) {
  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      <ol class="timeline">
        {timeline.map((event) => (
          <li key={event.seq}>
            <ExactTime at={event.at} /> <code>{event.type}</code> {event.text}
            {event.by !== null && ` By ${event.by}.`}
            {event.reason !== null && <q>{event.reason}</q>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function Actions({ onboarding: { id, actions }, token, role }: Omit<OnboardingPageProps, 'operations'>) {
  const judged = actions.map((each) => ({ ...each, refusal: refusalOf(each, role) }));
  const refused = judged.filter(({ refusal }) => refusal !== null);
  return (
    <section aria-labelledby="actions">
      <h2 id="actions">What you may do</h2>
      {judged
        .filter(({ refusal }) => refusal === null)
        .map((each) => (
          <Action key={each.action} id={id} action={each} token={token} />
        ))}
      {refused.length > 0 && (
        <details>
          <summary>Not possible now: {refused.map(({ action }) => ACTION_WORDS[action]).join(', ')}</summary>
          <ul>
            {refused.map(({ action, refusal }) => (
              <li key={action}>
                <strong>{ACTION_WORDS[action]}</strong>: {refusal}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

/** Why an operator may not do the action now; null if the operator may. */
function refusalOf({ action, allowed, whyNot }: ActionView, role: Role): string | null {
  const needed = roleOfAction(action);
  if (!mayActAs(role, needed)) return roleMissing(needed);
  return allowed ? null : (whyNot ?? 'The action does not fit the state.');
}

interface ActionProps {
  id: string;
  action: ActionView;
  token: string;
}

function Action({ id, action: { action, means }, token }: ActionProps) {
  return (
    <details>
      <summary role="button" class="outline">
        {ACTION_WORDS[action]} …
      </summary>
      <p>{means}</p>
      <ActionForm action={PATHS.operations} token={token}>
        <input type="hidden" name="action" value={action} />
        <input type="hidden" name="id" value={id} />
        <ReasonField id={`reason-${action}`} />
        <button type="submit" class={action === 'erase' || action === 'cancel' ? 'contrast' : ''}>
          {ACTION_WORDS[action]}
        </button>
      </ActionForm>
    </details>
  );
}
