import type { CallEvidence } from '#libs/upstream';
import { dataOf, type EventData, type EventType } from '../flow/events.js';
import type { OnboardingEvent } from '../flow/onboarding-event.entity.js';
import type { Row, UnresolvedAttempt } from '../flow/row.js';
import type { AttemptView, TimelineEntry } from './types.js';

type Seen = { data: Record<string, unknown> };
type Evidence = NonNullable<AttemptView['evidence']>;
type Loosely<T> = { [K in keyof T]: T[K] | null | undefined };

/** No text contains a value that a caller has written. */
const TEXTS: { [Type in EventType]: (data: Partial<EventData<Type>>) => string } = {
  created: () => 'The caller started the onboarding.',
  otp_sent: () => 'The provider sent a code.',
  send_gave_up: () => 'No code could be sent. The service stopped trying.',
  otp_submitted: () => 'The caller submitted a code.',
  otp_resend_asked: () => 'A caller or an operator asked for a new code.',
  otp_expired: () => 'The code expired.',
  otp_verified: () => 'The provider accepted the code.',
  otp_rejected: () => 'The provider refused the code.',
  authenticators_submitted: ({ authenticators }) => `The caller submitted ${passkeys(authenticators)}.`,
  authenticators_created: ({ unmapped }) =>
    `The provider registered the passkeys${unmapped ? ', but did not say which id belongs to which' : ''}.`,
  authenticators_rejected: () => 'The provider refused the passkeys.',
  session_expired: () => 'The session of the provider expired.',
  outcome_lost: () => 'The answer was lost. The provider may or may not have done the step.',
  resolved_done: () => 'The onboarding goes on as if the step was done.',
  resolved_not_done: () => 'The onboarding goes on as if the step was not done.',
  late_answer: ({ answer }) => `The unknown outcome became known later${answer ? `: ${answer}` : ''}.`,
  step_failed: () => 'The step failed for good, so the onboarding failed.',
  expired: () => 'The onboarding expired.',
  cancelled: () => 'The onboarding was cancelled.',
  attempt_started: ({ attempt, step }) => `Attempt ${attempt ?? '?'} of ${step ?? 'a step'} began.`,
  attempt_ended: ({ attempt, class: end, upstreamStatus, lapsed }) =>
    lapsed
      ? `Attempt ${attempt} has no end: its process died, or could not reach PostgreSQL.`
      : `Attempt ${attempt ?? '?'} ended: ${end ?? '?'}${upstreamStatus ? ` (${upstreamStatus})` : ''}.`,
  retry_scheduled: ({ attempt, inMs = 0 }) =>
    `Attempt ${attempt ?? '?'} is planned ${inMs === 0 ? 'now' : `in ${seconds(inMs)}`}.`,
  second_mail_possible: () => 'The provider may have mailed a code that is not valid any more.',
  late_answer_kept: ({ attempt }) =>
    `The answer to attempt ${attempt ?? '?'} came too late. It is only recorded.`,
  parked: ({ reason }) => `The step is parked${reason ? `: ${reason}` : ''}.`,
  unparked: () => 'The parked step goes on.',
  resolved: ({ outcome }) => `The outcome was decided${outcome ? `: ${outcome.replace('_', ' ')}` : ''}.`,
  secrets_wiped: () => 'The service deleted the secrets that it no longer needs.',
  erased: () => 'The personal data was erased.',
};

const passkeys = (count = 1) => (count === 1 ? 'a passkey' : `${count} passkeys`);
const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`;

export function timelineOf(events: readonly OnboardingEvent[]): TimelineEntry[] {
  return events.map(({ seq, at, type, actor, data }) => ({
    seq,
    at: at.toISOString(),
    type,
    actor,
    text: (TEXTS[type] as (data: object) => string)(data),
    attempt: numberIn({ data }, 'attempt'),
    by: textIn({ data }, 'by'),
    reason: type === 'parked' ? null : textIn({ data }, 'reason'),
  }));
}

/**
 * @returns the attempts of a timeline. After an erasure, only the unresolved ones, because the events have no
 *   data.
 */
export function attemptsOf(row: Row, events: readonly OnboardingEvent[]): AttemptView[] {
  const attempts = new Map<number, AttemptView>();
  let ended: AttemptView | undefined;
  for (const event of events) {
    const started = dataOf(event, 'attempt_started');
    if (started) attempts.set(started.attempt, newAttempt({ ...started, at: event.at.toISOString() }));
    const end = dataOf(event, 'attempt_ended');
    if (end) ended = attempts.get(end.attempt);
    if (end && ended) {
      const { class: how, upstreamStatus, durationMs, lapsed = false } = end;
      // A late answer is a second end of the attempt.
      if (ended.class !== null) ended.lateAnswer = how;
      else {
        const endedAt = event.at.toISOString();
        const evidence = lapsed ? OF_DEAD : null;
        Object.assign(ended, { endedAt, class: how, upstreamStatus, durationMs, lapsed, evidence });
      }
    }
    const lost = dataOf(event, 'outcome_lost');
    if (lost && ended && lost.bytesSent !== undefined) ended.evidence ??= evidenceOf(lost);
    const late = dataOf(event, 'late_answer_kept');
    const answered = late && attempts.get(late.attempt);
    if (answered) answered.lateAnswer = late.class;
  }
  for (const { attempt, step, at, evidence } of row.unresolved) {
    const seen = attempts.get(attempt) ?? newAttempt({ attempt, step, at });
    // The row also lists an attempt in flight as unresolved, but operators cannot decide its outcome yet.
    const inFlight = row.leaseUntil !== null && row.leaseUntil > row.now && attempt === row.attempt;
    const known = seen.lapsed ? OF_DEAD : evidence ? evidenceOf(evidence) : seen.evidence;
    attempts.set(attempt, {
      ...seen,
      unresolved: !inFlight,
      evidence: known ?? (inFlight ? null : evidenceOf({})),
    });
  }
  return [...attempts.values()].sort((one, other) => one.attempt - other.attempt);
}

const newAttempt = ({
  attempt,
  step,
  at,
}: Pick<UnresolvedAttempt, 'attempt' | 'step' | 'at'>): AttemptView => ({
  attempt,
  step,
  startedAt: at,
  endedAt: null,
  durationMs: null,
  class: null,
  upstreamStatus: null,
  lapsed: false,
  unresolved: false,
  lateAnswer: null,
  evidence: null,
});

/** Keeps only numbers and flags, because the provider's texts may contain personal data. */
function evidenceOf({
  bytesSent = null,
  headersSeen = null,
  status = null,
  durationMs = null,
}: Partial<Loosely<CallEvidence>>): Evidence {
  const facts = { bytesSent, headersSeen, status, durationMs };
  return { detail: saidOf(facts), ...facts };
}

function saidOf({ bytesSent, headersSeen, status }: Omit<Evidence, 'detail'>): string {
  if (status !== null)
    return `The provider answered with status ${status}. The answer does not tell the outcome.`;
  if (headersSeen) return 'An answer began, but it does not tell the outcome.';
  if (bytesSent === false) return 'No byte of the request was sent.';
  if (bytesSent === null) return 'It is unknown whether the request was sent and answered.';
  const answer =
    headersSeen === null ? 'It is unknown whether an answer came.' : 'The service saw no answer.';
  return `The request may have been sent. ${answer}`;
}

const OF_DEAD: Evidence = {
  ...evidenceOf({}),
  detail:
    'The process died, or could not reach PostgreSQL. ' +
    'It is unknown whether the request was sent and answered.',
};

function numberIn({ data }: Seen, name: string): number | null {
  const value = data[name];
  return typeof value === 'number' ? value : null;
}

function textIn({ data }: Seen, name: string): string | null {
  const value = data[name];
  return typeof value === 'string' ? value : null;
}
