import type { CallEvidence } from '#libs/upstream';
import type { ParkedReason } from './codes.js';
import type { NewEvent } from './events.js';
import { later, resultOf, type Ended, type Moment, type Moved } from './move.js';
import type { Columns, Patch, Row, Explanation, UnresolvedAttempt } from './row.js';
import { canLeaveDoubt } from './table.js';

export interface AttemptFacts {
  /** The failure class, or `ok`. */
  class: string;
  /**
   * `none`: certainly no effect. `counted`: certainly or perhaps an effect. `repeated`: only the effect of an
   * earlier attempt.
   */
  effect: 'none' | 'counted' | 'repeated';
  counts: Pick<Columns, 'unavailableCount' | 'noAnswerCount'>;
  /** The outcomes that are known now: `itself` is this attempt's, `all` those of the whole submission. */
  reveals: 'nothing' | 'itself' | 'all';
  upstreamStatus: number | null;
  evidence?: CallEvidence & { detail: string };
  /** Null if no process saw the end of the attempt. */
  durationMs: number | null;
  isLapsed?: true;
  /** The provider may have mailed a code, which the next mail makes invalid. */
  mayHaveMailed?: boolean;
}

/** What every end of an attempt writes. */
export function endOf(row: Row, facts: AttemptFacts): Ended {
  const { effect, upstreamStatus } = facts;
  const { attempt } = row;
  const step = row.step!;
  const ended: NewEvent = {
    type: 'attempt_ended',
    actor: 'upstream',
    data: {
      step,
      attempt,
      class: facts.class,
      upstreamStatus,
      durationMs: facts.durationMs,
      ...(facts.isLapsed && { lapsed: true }),
    },
  };
  return {
    patch: { ...facts.counts, ...doubtAfter(row, facts), ...countedOf(row, effect) },
    events: facts.mayHaveMailed
      ? [ended, { type: 'second_mail_possible', actor: 'service', data: { attempt } }]
      : [ended],
    refund: step === 'init-otp' && effect === 'none' ? 'send' : null,
    upstreamStatus,
  };
}

/** Counts each attempt that the provider may have counted, even if its answer was lost. */
function countedOf({ step, otpSends, otpTriesLeft }: Row, effect: AttemptFacts['effect']): Patch {
  if (step === 'init-otp') return effect === 'counted' ? { otpSends: otpSends + 1 } : {};
  if (step === 'verify-otp') {
    return effect === 'none'
      ? {}
      : { otpTriesLeft: Math.max(0, otpTriesLeft - (effect === 'counted' ? 1 : 0)) };
  }
  return {};
}

/** Keeps only the submission's latest attempt with an unknown effect in `unresolved`. */
function doubtAfter(row: Row, { reveals, evidence }: AttemptFacts): Patch {
  if (!canLeaveDoubt(row.step!)) return {};
  const doubtAttempt = { nothing: row.attempt, itself: row.doubtAttempt, all: null }[reveals];
  const unresolved = openAfter(row, doubtAttempt).map((each) =>
    each.attempt === row.attempt ? { ...each, evidence: evidence! } : each,
  );
  return { doubtAttempt, unresolved };
}

/** @returns the unresolved attempts of earlier submissions, and the attempt `doubt`. */
const openAfter = ({ unresolved, submission }: Row, doubt: number | null): UnresolvedAttempt[] =>
  unresolved.filter(({ attempt }) => attempt < submission || attempt === doubt);

/** After a success, no attempt of the submission has an unknown effect any more. */
export function succeeded(ended: Ended, { now, settings }: Moment): Ended {
  const patch = {
    ...ended.patch,
    doubtAttempt: null,
    lastResult: null,
    idleEndsAt: later(now, settings.ONBOARDING_IDLE_MS),
  };
  return { ...ended, patch };
}

export function retryLater(row: Row, ended: Ended, delayMs: number, { now }: Moment): Moved {
  const result: Explanation = {
    code: 'upstream_unavailable',
    detail: `The provider could not be reached or failed (${classOf(ended)}); the service tries again.`,
  };
  return {
    patch: {
      leaseUntil: null,
      nextAttemptAt: later(now, delayMs),
      ...ended.patch,
      lastResult: resultOf(row, result, now),
    },
    events: [
      ...ended.events,
      {
        type: 'retry_scheduled',
        actor: 'service',
        data: { step: row.step!, attempt: row.attempt + 1, inMs: delayMs },
      },
    ],
    refund: ended.refund,
  };
}

const classOf = ({ events }: Ended) => (events[0] as NewEvent & { type: 'attempt_ended' }).data!.class;

/** Lets the step wait for an operator. The unknown effect of an earlier attempt stays unknown. */
export function park(row: Row, ended: Ended, reason: ParkedReason, { now }: Moment): Moved {
  const result: Explanation =
    reason === 'integration_paused'
      ? {
          code: reason,
          detail: 'An operator has paused the integration; once it is resumed, this step goes on.',
        }
      : {
          code: 'upstream_misconfigured',
          detail: 'An operator must fix the integration; then this step goes on.',
        };
  const { unavailableCount: _, noAnswerCount: __, doubtAttempt: ___, ...counted } = ended.patch;
  return {
    patch: {
      ...counted,
      leaseUntil: null,
      nextAttemptAt: null,
      parkedReason: reason,
      parkedAt: now,
      parkings: row.parkings + (reason === 'upstream_misconfigured' ? 1 : 0),
      unresolved: openAfter(row, row.doubtAttempt),
      lastResult: resultOf(row, result, now),
    },
    events: [...ended.events, { type: 'parked', actor: 'service', data: { reason, step: row.step! } }],
    refund: ended.refund,
  };
}
