import { Inject, Injectable } from '@nestjs/common';
import { RANDOM, type Random } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import type { CallEvidence, FailureClass, UpstreamError } from '#libs/upstream';
import { isEnded, nextState, type Signal } from './machine.js';
import type { NewEvent } from './onboarding-event.entity.js';
import type { ParkedReason, ResultCode, UnresolvedAttempt } from './onboarding.entity.js';
import type { Change, Clause, Row } from './onboarding.store.js';
import {
  INDEFINITE,
  WITHOUT_EFFECT,
  canLeaveDoubt,
  decide,
  isReplayable,
  type Decision,
} from './retry-law.js';
import { SEALED, needs, wipedIn } from './secrets.js';
import { fromNow, type Patch } from './statement.js';
import { Steps, type Step, type StepEnd } from './step.js';

/**
 * How an attempt ended. `lapsed`: its end was not seen, the lease ran out. `out_of_tries`: no attempt was in
 * flight, and the next one cannot be paid for.
 */
export type AttemptEnd =
  /** How long the call took since the claim’s commit, in milliseconds. */
  | { type: 'succeeded'; end: StepEnd; durationMs: number }
  /** A lapsed one has no duration: its end was not seen. */
  | { type: 'failed'; error: UpstreamError; lapsed?: true; durationMs?: number }
  | { type: 'integration_missing' }
  | { type: 'out_of_tries' };

/** A change, and what is to be known of it besides. */
export interface Verdict {
  change: Omit<Change, 'id' | 'where'>;
  /** The signal of a definite answer: such an answer counts even when the attempt was given up for lost. */
  answer: Signal | null;
  /** The signal that moves the row, if any. */
  signal: Signal | null;
  retryInMs: number | null;
}

type Failed = AttemptEnd & { type: 'failed' };

/** Says what an attempt's end means for its row: the retry law, doubt, limits and the timeline, and no I/O. */
@Injectable()
export class Verdicts {
  constructor(
    private readonly steps: Steps,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(RANDOM) private readonly random: Random,
  ) {}

  /** @param row as it was when the attempt was claimed. */
  of(row: Row, end: AttemptEnd): Verdict {
    const step = this.steps.get(row.step!);
    if (end.type === 'integration_missing') return this.#parked(row, step, 'integration_missing', null);
    if (end.type === 'succeeded') return this.#succeeded(row, step, end);
    if (end.type === 'out_of_tries') {
      const inDoubt = canLeaveDoubt(step.name) && row.doubtAttempt !== null;
      const to = inDoubt
        ? outcomeLost({ detail: 'no time was left to try again' })
        : step.gaveUp(row, { refunded: false, unanswered: false });
      const change = this.#moved(row, step, to, [], {});
      return { change, answer: null, signal: to.signal, retryInMs: null };
    }
    const { error } = end;
    const decision = this.#decide(row, error);
    switch (decision.type) {
      case 'retry':
        return this.#retryLater(row, step, end, decision.delayMs);
      case 'park':
        return this.#misconfigured(row, step, end);
      case 'outcome_unknown':
        return this.#failed(row, step, end, outcomeLost({ ...error.evidence, detail: error.message }));
      case 'rejected':
        return this.#failed(row, step, end, step.rejected(row, error));
      case 'give_up':
      case 'deadline':
        return this.#failed(
          row,
          step,
          end,
          step.gaveUp(row, { refunded: hadNoEffect(error), unanswered: INDEFINITE.has(error.failure) }),
        );
    }
  }

  #decide(row: Row, error: UpstreamError): Decision {
    const elapsed = error.evidence.durationMs ?? 0;
    const until = (at: Date | null) => (at ? at.getTime() - row.now.getTime() - elapsed : Infinity);
    return decide(
      {
        provider: row.provider,
        step: row.step!,
        failure: error.failure,
        sent: error.evidence.bytesSent,
        calls: row.attempt - row.submission + 1,
        ...this.#counts(row, error.failure),
        inDoubt: row.doubtAttempt !== null,
        timeLeftMs: until(row.deadlineAt),
        retryAfterMs: error.retryAfterMs,
        cooldownLeftMs: Math.max(0, until(row.otpResendAt)),
      },
      this.config,
      this.random.next(),
    );
  }

  #counts(row: Row, failure: FailureClass) {
    return {
      unavailableCount: row.unavailableCount + (failure === 'unavailable' ? 1 : 0),
      noAnswerCount: row.noAnswerCount + (failure === 'no_answer' ? 1 : 0),
    };
  }

  #succeeded(row: Row, step: Step, { end, durationMs }: AttemptEnd & { type: 'succeeded' }): Verdict {
    const attemptEnded = attemptEndedEvent(row, 'ok', { status: 200, durationMs });
    return {
      change: this.#moved(row, step, end, [attemptEnded], {
        unresolved: row.unresolved.filter((each) => !ofSubmission(row, each)),
        doubtAttempt: null,
        lastResult: null,
        idleEndsAt: fromNow(this.config.ONBOARDING_IDLE_MS),
        ...step.counted?.(row),
      }),
      answer: end.signal,
      signal: end.signal,
      retryInMs: null,
    };
  }

  #failed(row: Row, step: Step, end: Failed, to: StepEnd): Verdict {
    const { error } = end;
    const effect = effectOf(step, row, error);
    return {
      change: this.#moved(
        row,
        step,
        to,
        failedEvents(row, end),
        {
          ...doubtAfter(row, error),
          ...this.#counts(row, error.failure),
          ...effect.patch,
          // A definite no, after which nothing of the submission is open any more.
          ...(to.signal !== 'outcome_lost' && { doubtAttempt: null }),
        },
        effect.clauses,
      ),
      answer: isDefinite(row, error) ? to.signal : null,
      signal: to.signal,
      retryInMs: null,
    };
  }

  #retryLater(row: Row, step: Step, end: Failed, delayMs: number): Verdict {
    const { error } = end;
    const effect = effectOf(step, row, error);
    return {
      change: {
        patch: {
          leaseUntil: null,
          nextAttemptAt: fromNow(delayMs),
          wokenAt: null,
          ...doubtAfter(row, error),
          ...this.#counts(row, error.failure),
          ...effect.patch,
          lastResult: resultOf(
            row,
            'upstream_unavailable',
            `The provider could not be reached or failed (${error.failure}); it is tried again.`,
          ),
        },
        events: [
          ...failedEvents(row, end),
          {
            type: 'retry_scheduled',
            actor: 'service',
            data: { step: step.name, attempt: row.attempt + 1, inMs: delayMs },
          },
        ],
        clauses: effect.clauses,
      },
      answer: null,
      signal: null,
      retryInMs: delayMs,
    };
  }

  #misconfigured(row: Row, step: Step, end: Failed): Verdict {
    const to = step.misconfigured?.(row);
    return to
      ? this.#failed(row, step, end, to)
      : this.#parked(row, step, 'upstream_misconfigured', end.error);
  }

  #parked(row: Row, step: Step, reason: ParkedReason, error: UpstreamError | null): Verdict {
    const effect = error ? effectOf(step, row, error) : withoutEffect(step, row);
    return {
      change: {
        patch: {
          leaseUntil: null,
          nextAttemptAt: null,
          wokenAt: null,
          parkedReason: reason,
          parkedAt: fromNow(0),
          parkings: row.parkings + (reason === 'upstream_misconfigured' ? 1 : 0),
          unresolved: unresolvedAfter(row, row.doubtAttempt, null),
          ...effect.patch,
          lastResult: resultOf(
            row,
            'upstream_misconfigured',
            'The integration must be mended by an operator; then this goes on.',
          ),
        },
        events: [
          attemptEndedEvent(
            row,
            error?.failure ?? 'not_sent',
            error?.evidence ?? { status: null, durationMs: 0 },
          ),
          { type: 'parked', actor: 'service', data: { reason, step: step.name } },
        ],
        clauses: effect.clauses,
      },
      answer: null,
      signal: null,
      retryInMs: null,
    };
  }

  /** Every end that changes the state. */
  #moved(
    row: Row,
    step: Step,
    end: StepEnd,
    before: NewEvent[],
    patch: Patch,
    clauses: Clause[] = [],
  ): Verdict['change'] {
    const { codeLives = false } = end;
    const state = nextState({ state: row.state, step: row.step, codeLives }, end.signal);
    if (!state) throw new Error(`"${end.signal}" leads nowhere from "${row.state}"`);
    const at = new Date().toISOString();
    const wiped = isEnded(state) && SEALED.some((field) => row[field] !== null && !needs(state, field));
    return {
      patch: {
        state,
        ...wipedIn(state),
        step: state === 'outcome_unknown' ? step.name : null,
        leaseUntil: null,
        nextAttemptAt: null,
        wokenAt: null,
        ...patch,
        ...(end.result && { lastResult: { step: step.name, ...end.result, at } }),
        ...(end.failure && {
          failure: { ...end.failure, step: step.name, upstreamStatus: statusIn(before), at },
        }),
        ...end.patch,
      },
      events: [
        ...before,
        { type: end.signal, actor: 'upstream', ...(end.data && { data: end.data }) },
        ...(wiped ? [{ type: 'secrets_wiped', actor: 'service' } as const] : []),
      ],
      clauses: [...clauses, ...(end.clauses ?? [])],
    };
  }
}

function isDefinite(row: Row, error: UpstreamError): boolean {
  if (error.failure !== 'rejected' && error.failure !== 'rejected_unclear') return false;
  return row.doubtAttempt === null || isReplayable(row.provider, row.step!);
}

const ofSubmission = (row: Row, each: UnresolvedAttempt) =>
  each.step === row.step && each.attempt >= row.submission;

/** What stays open of this submission: the latest attempt without a definite answer, or nothing. */
function doubtAfter(row: Row, error: UpstreamError): Patch {
  if (!canLeaveDoubt(row.step!)) return {};
  const before = isDefinite(row, error) ? null : row.doubtAttempt;
  const doubtAttempt = INDEFINITE.has(error.failure) ? row.attempt : before;
  return { doubtAttempt, unresolved: unresolvedAfter(row, doubtAttempt, error) };
}

function unresolvedAfter(
  row: Row,
  doubtAttempt: number | null,
  error: UpstreamError | null,
): UnresolvedAttempt[] {
  const earlier = row.unresolved.filter((each) => !ofSubmission(row, each));
  const open = row.unresolved.find((each) => ofSubmission(row, each) && each.attempt === doubtAttempt);
  if (!open) return earlier;
  const evidence =
    error && doubtAttempt === row.attempt ? { evidence: { ...error.evidence, detail: error.message } } : {};
  return [...earlier, { ...open, ...evidence }];
}

/** If the provider asks for a captcha, it has sent no mail. */
const hadNoEffect = ({ failure, reason, evidence }: UpstreamError) =>
  WITHOUT_EFFECT.has(failure) || reason === 'captcha_required' || !evidence.bytesSent;

function effectOf(step: Step, row: Row, error: UpstreamError): { patch: Patch; clauses: Clause[] } {
  if (hadNoEffect(error)) return withoutEffect(step, row);
  return { patch: step.counted?.(row) ?? {}, clauses: [] };
}

function withoutEffect(step: Step, row: Row): { patch: Patch; clauses: Clause[] } {
  const { patch = {}, clauses = [] } = step.withoutEffect?.(row) ?? {};
  return { patch, clauses };
}

function outcomeLost(data: Record<string, unknown>): StepEnd {
  return {
    signal: 'outcome_lost',
    result: {
      code: 'outcome_unknown',
      detail:
        'The call may have taken effect, and nobody could be asked: find out and resolve it, or ask for a new code.',
    },
    data,
  };
}

function resultOf(row: Row, code: ResultCode, detail: string) {
  return { step: row.step!, code, detail, at: new Date().toISOString() };
}

function attemptEndedEvent(
  row: Row,
  ended: 'ok' | FailureClass,
  evidence: Pick<CallEvidence, 'status' | 'durationMs'>,
  more?: Record<string, unknown>,
): NewEvent {
  const { status, durationMs } = evidence;
  return {
    type: 'attempt_ended',
    actor: 'upstream',
    data: { step: row.step, attempt: row.attempt, class: ended, upstreamStatus: status, durationMs, ...more },
  };
}

/** A lost answer to `init-otp` may have mailed a code that fits nothing any more: the user is to use the newest. */
function failedEvents(row: Row, { error, lapsed, durationMs }: Failed): NewEvent[] {
  const evidence = durationMs === undefined ? error.evidence : { ...error.evidence, durationMs };
  const ended = attemptEndedEvent(row, error.failure, evidence, lapsed && { lapsed });
  if (row.step !== 'init-otp' || !INDEFINITE.has(error.failure) || isReplayable(row.provider, row.step)) {
    return [ended];
  }
  return [ended, { type: 'second_mail_possible', actor: 'service', data: { attempt: row.attempt } }];
}

const statusIn = (events: NewEvent[]) =>
  (events[0]?.data?.['upstreamStatus'] as number | null | undefined) ?? null;
