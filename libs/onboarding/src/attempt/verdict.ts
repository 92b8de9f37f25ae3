import { Inject, Injectable } from '@nestjs/common';
import { RANDOM, type Random } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { NOTHING_SENT, type CallEvidence, type FailureClass, type UpstreamError } from '#libs/upstream';
import type { ParkedReason } from '../flow/codes.js';
import { endOf, park, retryLater, succeeded, type AttemptFacts } from '../flow/attempt-end.js';
import { later, move, type Ended, type Moment, type Moved } from '../flow/move.js';
import { deadlineOf, type Row } from '../flow/row.js';
import { boundOf, type LiveState, type Signal } from '../flow/table.js';
import { EFFECT_UNKNOWN, decide, isReplayable, repeatsEffect, type Decision } from './retry-law.js';
import { Steps, type Step, type StepEnd } from './step.js';

/**
 * `lapsed`: the lease expired before its process wrote the end. `no_next_attempt`: the next attempt would
 * exceed a budget.
 */
export type AttemptEnd =
  /** `durationMs`: from the claim to the end of the call. */
  | { type: 'succeeded'; end: StepEnd; durationMs: number }
  /** `durationMs` is missing if this service did not see the end of the call. */
  | { type: 'failed'; error: UpstreamError; lapsed?: true; durationMs?: number }
  | { type: 'integration_missing' | 'integration_paused' }
  | { type: 'no_next_attempt' };

export interface Verdict {
  moved: Moved;
  /** The input of the transition table that changes the state; null if the state stays. */
  signal: Signal | null;
  /** The signal of a definite answer. It counts even if the outcome was already recorded as unknown. */
  answer: Signal | null;
  retryInMs: number | null;
  parked: ParkedReason | null;
  /** The end of the attempt by PostgreSQL's clock. */
  now: Date;
}

type Failed = AttemptEnd & { type: 'failed' };

const ANSWERED = { bytesSent: true, status: 200 };

/** Decides by the retry law what follows the end of an attempt. Does no I/O. */
@Injectable()
export class Verdicts {
  constructor(
    private readonly steps: Steps,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(RANDOM) private readonly random: Random,
  ) {}

  /** @param row the row that the claim returned. */
  on(row: Row, end: AttemptEnd): Verdict {
    const at: Moment = { now: endedAt(row, end), settings: this.config };
    return { ...this.#on(row, end, at), now: at.now };
  }

  /**
   * Decides on an attempt whose outcome already counts as unknown.
   *
   * @param now the time of the write, by PostgreSQL's clock.
   * @returns null if the outcome stays unknown.
   */
  onLost(row: Row, end: AttemptEnd, now: Date): Verdict | null {
    const verdict = this.#answerTo(row, end, now);
    if (!verdict) return null;
    // While the outcome was unknown, idle time did not count.
    const idleEndsAt = later(now, this.config.ONBOARDING_IDLE_MS);
    return { ...verdict, moved: { ...verdict.moved, patch: { ...verdict.moved.patch, idleEndsAt } } };
  }

  #answerTo(row: Row, end: AttemptEnd, now: Date): Verdict | null {
    const verdict = this.on(row, end);
    if (verdict.answer) return verdict;
    const facts = certainlyNoEffect(row, end);
    const bound = boundOf(row.state as LiveState);
    // Before the code or the session ends, another try would be possible.
    if (!facts || row.doubtAttempt !== null || bound === null || row[bound]! > now) return null;
    const to = this.steps.get(row.step!).gaveUp(row, { unanswered: false });
    const at: Moment = { now: verdict.now, settings: this.config };
    return { ...answered(row, to, endOf(row, facts), at), now: at.now };
  }

  #on(row: Row, end: AttemptEnd, at: Moment): Omit<Verdict, 'now'> {
    const step = this.steps.get(row.step!);
    switch (end.type) {
      case 'integration_missing':
      case 'integration_paused': {
        return parked(park(row, endOf(row, notCalled(row)), end.type, at), end.type);
      }
      case 'succeeded': {
        const ended = endOf(row, factsOf(row, 'ok', ANSWERED, end.durationMs));
        return answered(row, end.end, succeeded(ended, at), at);
      }
      case 'no_next_attempt': {
        const to =
          row.doubtAttempt === null
            ? step.gaveUp(row, { unanswered: false })
            : outcomeLost({ detail: 'no time was left to try again' });
        return unanswered(row, to, undefined, at);
      }
      case 'failed':
        return this.#failed(row, step, end, at);
    }
  }

  #failed(row: Row, step: Step, end: Failed, at: Moment): Omit<Verdict, 'now'> {
    const { error } = end;
    const facts = callFacts(row, end);
    const ended = endOf(row, facts);
    const decision = this.#decide(row, error, facts, at.now);
    switch (decision.type) {
      case 'retry':
        return {
          ...UNANSWERED,
          moved: retryLater(row, ended, decision.delayMs, at),
          retryInMs: decision.delayMs,
        };
      case 'park': {
        const to = step.misconfigured?.(row);
        if (to) return unanswered(row, to, ended, at);
        return parked(park(row, ended, 'upstream_misconfigured', at), 'upstream_misconfigured');
      }
      case 'outcome_unknown':
        return unanswered(row, outcomeLost({ ...error.evidence, detail: error.message }), ended, at);
      case 'rejected':
        return answered(row, step.rejected(row, error), ended, at);
      case 'give_up': {
        const to = step.gaveUp(row, { unanswered: facts.reveals === 'nothing' });
        return unanswered(row, to, ended, at);
      }
    }
  }

  #decide(row: Row, error: UpstreamError, { counts }: AttemptFacts, now: Date): Decision {
    const until = (at: Date) => at.getTime() - now.getTime();
    return decide(
      {
        provider: row.provider,
        step: row.step!,
        failure: error.failure,
        sent: error.evidence.bytesSent,
        calls: row.attempt - row.submission + 1,
        ...counts,
        inDoubt: row.doubtAttempt !== null,
        timeLeftMs: until(deadlineOf(row)!),
        retryAfterMs: error.retryAfterMs,
        cooldownLeftMs: row.otpResendAt ? until(row.otpResendAt) : 0,
      },
      this.config,
      this.random.next(),
    );
  }
}

const UNANSWERED = { signal: null, answer: null, retryInMs: null, parked: null };

const parked = (moved: Moved, reason: ParkedReason) => ({ ...UNANSWERED, moved, parked: reason });

function unanswered(row: Row, { signal, facts }: StepEnd, ended: Ended | undefined, at: Moment) {
  return { ...UNANSWERED, moved: move(row, signal, facts as never, at, ended), signal };
}

const answered = (row: Row, to: StepEnd, ended: Ended, at: Moment) => ({
  ...unanswered(row, to, ended, at),
  answer: to.signal,
});

/** A little too early, which is safe: it lacks the time that PostgreSQL took to answer the claim. */
function endedAt({ now }: Row, { durationMs = 0 }: { type: string; durationMs?: number }): Date {
  return new Date(now.getTime() + durationMs);
}

function factsOf(
  row: Row,
  ended: 'ok' | FailureClass,
  call: Pick<CallEvidence, 'bytesSent' | 'status'>,
  durationMs: number | null,
): AttemptFacts {
  const step = row.step!;
  return {
    class: ended,
    effect: repeatsEffect(row, step) ? 'repeated' : call.bytesSent ? 'counted' : 'none',
    counts: {
      unavailableCount: row.unavailableCount + (ended === 'unavailable' ? 1 : 0),
      noAnswerCount: row.noAnswerCount + (ended === 'no_answer' ? 1 : 0),
    },
    reveals: revealedBy(row, ended),
    upstreamStatus: call.status,
    durationMs,
  };
}

const notCalled = (row: Row) => factsOf(row, 'not_sent', NOTHING_SENT, 0);

/** @returns null if the provider may have acted, or if no attempt was begun. */
export function certainlyNoEffect(row: Row, end: AttemptEnd): AttemptFacts | null {
  if (end.type === 'integration_missing' || end.type === 'integration_paused') return notCalled(row);
  if (end.type !== 'failed') return null;
  const facts = callFacts(row, end);
  return facts.reveals === 'itself' ? facts : null;
}

function callFacts(row: Row, { error, lapsed, durationMs }: Failed): AttemptFacts {
  const { failure, evidence, message } = error;
  const facts = factsOf(row, failure, evidence, durationMs ?? null);
  return {
    ...facts,
    effect: facts.effect === 'counted' && refusedToAct(error) ? 'none' : facts.effect,
    evidence: { ...evidence, detail: message },
    ...(lapsed && { isLapsed: true as const }),
    // An `init-otp` without an answer may have mailed a code, which the next mail makes invalid.
    mayHaveMailed:
      row.step === 'init-otp' && facts.reveals === 'nothing' && !isReplayable(row.provider, row.step),
  };
}

function revealedBy(row: Row, ended: 'ok' | FailureClass): AttemptFacts['reveals'] {
  if (ended === 'ok') return 'all';
  if (EFFECT_UNKNOWN.has(ended)) return 'nothing';
  // The answer to a repetition of the same bytes is the outcome of the first call.
  const isRefused = ended === 'rejected' || ended === 'rejected_unclear';
  return isRefused && isReplayable(row.provider, row.step!) ? 'all' : 'itself';
}

/** A provider that asks for a captcha has sent no mail. */
const refusedToAct = ({ failure, reason }: UpstreamError) =>
  failure === 'throttled' || reason === 'captcha_required';

function outcomeLost(evidence: object): StepEnd {
  return {
    signal: 'outcome_lost',
    facts: {
      result: {
        code: 'outcome_unknown',
        detail:
          'The call may have taken effect, and this service cannot find out: ' +
          'check at the provider and resolve it, or ask for a new code.',
      },
      evidence,
    },
  };
}
