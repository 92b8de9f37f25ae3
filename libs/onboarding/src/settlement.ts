import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import { isDatabaseAway } from '#libs/database';
import { JobProducer } from '#libs/jobs';
import { RANDOM, type Random } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import type { CallEvidence, FailureClass, UpstreamError } from '#libs/upstream';
import { STATE_OF_STEP, isEnded, nextState, type Signal, type StepName } from './machine.js';
import type { NewEvent } from './onboarding-event.entity.js';
import type { ParkedReason, ResultCode, UnresolvedAttempt } from './onboarding.entity.js';
import { OnboardingStore, where, type Change, type Clause, type Condition, type Row } from './onboarding.store.js';
import { INDEFINITE, WITHOUT_EFFECT, canLeaveDoubt, decide, type Decision } from './retry-law.js';
import { SEALED, needs, wipedIn } from './secrets.js';
import { fromNow, type Patch } from './statement.js';
import { stepJob, stepJobId } from './step.job.js';
import { Steps, type Step, type StepEnd } from './step.js';

/**
 * How an attempt ended. `lapsed`: nobody saw its end, the lease ran out. `out_of_tries`: no attempt was in
 * flight, and the next one cannot be paid for.
 */
export type AttemptEnd =
  | { type: 'succeeded'; end: StepEnd; durationMs: number }
  | { type: 'failed'; error: UpstreamError; lapsed?: true }
  | { type: 'integration_missing' }
  | { type: 'out_of_tries' };

/** A change, and what is to be known of it besides. */
interface Verdict {
  change: Omit<Change, 'id' | 'where'>;
  /** The signal of a definite answer: such an answer counts even when the attempt was given up for lost. */
  answer: Signal | null;
  retryInMs: number | null;
}

/** PostgreSQL is asked again after this long when it is away: the answer in memory is the only copy there is. */
const DATABASE_PAUSE_MS = 250;

/** The second of an attempt's two writes: what its end means by the retry law, in one statement. */
@Injectable()
export class Settlement {
  readonly #logger = new Logger(Settlement.name);

  constructor(
    private readonly store: OnboardingStore,
    private readonly steps: Steps,
    private readonly jobs: JobProducer,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(RANDOM) private readonly random: Random,
  ) {}

  /**
   * @param row as its claim returned it.
   * @returns the row as it stands after the settle, whoever moved it.
   */
  async settle(row: Row, end: AttemptEnd): Promise<Row> {
    const step = row.step!;
    const verdict = this.#verdict(row, end);
    const { row: settled, again } = await this.#write({
      id: row.id,
      where: [where.stateIn(STATE_OF_STEP[step]), where.attempt(row.attempt), ...holds(verdict, end)],
      ...verdict.change,
    });
    if (!settled) return this.#tooLate(row, end, verdict, again);
    if (verdict.retryInMs !== null) {
      const payload = { onboardingId: row.id, attempt: row.attempt + 1 };
      await this.jobs.add(stepJob(step), payload, { id: stepJobId(step, payload), delayMs: verdict.retryInMs });
    }
    return settled;
  }

  /** PostgreSQL may be away for a moment; the lease bounds how long an answer is worth keeping. */
  async #write(change: Change): Promise<{ row: Row | null; again: boolean }> {
    for (let again = false; ; again = true) {
      try {
        return { row: await this.store.change(change), again };
      } catch (error) {
        if (!isDatabaseAway(error)) throw error;
        this.#logger.warn(`settle of ${change.id} waits for the database`);
        await sleep(DATABASE_PAUSE_MS);
      }
    }
  }

  #verdict(row: Row, end: AttemptEnd): Verdict {
    const step = this.steps.get(row.step!);
    if (end.type === 'integration_missing') return this.#parked(row, step, 'integration_missing', null);
    if (end.type === 'succeeded') return this.#succeeded(row, step, end);
    if (end.type === 'out_of_tries') {
      return { change: this.#moved(row, step, step.gaveUp(row), [], {}), answer: null, retryInMs: null };
    }
    const { error } = end;
    const decision = this.#decide(row, error);
    switch (decision.type) {
      case 'retry':
        return this.#retryLater(row, step, error, decision.delayMs);
      case 'park':
        return this.#parked(row, step, 'upstream_misconfigured', error);
      case 'outcome_unknown':
        return this.#failed(row, step, error, end, outcomeLost(error));
      case 'rejected':
        return this.#failed(row, step, error, end, step.rejected(row, error));
      case 'give_up':
      case 'deadline':
        return this.#failed(row, step, error, end, step.gaveUp(row));
    }
  }

  #decide(row: Row, error: UpstreamError): Decision {
    const elapsed = error.evidence.durationMs;
    const until = (at: Date | null) => (at ? at.getTime() - row.now.getTime() - elapsed : Infinity);
    return decide(
      {
        provider: row.provider,
        step: row.step!,
        failure: error.failure,
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
      retryInMs: null,
    };
  }

  #failed(row: Row, step: Step, error: UpstreamError, end: AttemptEnd & { type: 'failed' }, to: StepEnd): Verdict {
    const lapsed = end.lapsed ? { lapsed: true } : {};
    const doubt = doubtAfter(row, error);
    const events = [attemptEndedEvent(row, error.failure, error.evidence, lapsed), ...mailEvents(row, error)];
    return {
      change: this.#moved(row, step, to, events, {
        ...doubt,
        ...this.#counts(row, error.failure),
        ...effectOf(step, row, error).patch,
        // A definite no, after which nothing of the submission is open any more.
        ...(to.signal !== 'outcome_lost' && { doubtAttempt: null }),
      }, effectOf(step, row, error).clauses),
      answer: isDefinite(row, error) ? to.signal : null,
      retryInMs: null,
    };
  }

  #retryLater(row: Row, step: Step, error: UpstreamError, delayMs: number): Verdict {
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
          lastResult: resultOf(row, 'upstream_unavailable', `The provider could not be reached or failed (${error.failure}); it is tried again.`),
        },
        events: [
          attemptEndedEvent(row, error.failure, error.evidence),
          ...mailEvents(row, error),
          { type: 'retry_scheduled', actor: 'service', data: { step: step.name, attempt: row.attempt + 1, inMs: delayMs } },
        ],
        clauses: effect.clauses,
      },
      answer: null,
      retryInMs: delayMs,
    };
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
          unresolved: unresolvedAfter(row, row.doubtAttempt, null),
          ...effect.patch,
          lastResult: resultOf(row, 'upstream_misconfigured', 'The integration must be mended by an operator; then this goes on.'),
        },
        events: [
          attemptEndedEvent(row, error?.failure ?? 'not_sent', error?.evidence ?? { status: null, durationMs: 0 }),
          { type: 'parked', actor: 'service', data: { reason, step: step.name } },
        ],
        clauses: effect.clauses,
      },
      answer: null,
      retryInMs: null,
    };
  }

  /** Every end that changes the state. */
  #moved(row: Row, step: Step, end: StepEnd, before: NewEvent[], patch: Patch, clauses: Clause[] = []): Verdict['change'] {
    const state = nextState({ state: row.state, step: row.step }, end.signal);
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
        ...(end.failure && { failure: { ...end.failure, step: step.name, upstreamStatus: statusIn(before), at } }),
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

  /** The row went on without this attempt: its answer changes nothing, but for the answer to the doubt itself. */
  async #tooLate(row: Row, end: AttemptEnd, verdict: Verdict, again: boolean): Promise<Row> {
    const fresh = await this.store.find(row.id);
    if (!fresh) return row;
    if (again && (await this.#isWritten(fresh, row.attempt))) return fresh;
    if (end.type === 'integration_missing' || end.type === 'out_of_tries') return fresh;
    const causedIt = fresh.state === 'outcome_unknown' && fresh.attempt === row.attempt;
    if (causedIt && verdict.answer) {
      const state = nextState({ state: fresh.state, step: row.step, answer: verdict.answer }, 'late_answer');
      const [attemptEnded, ...rest] = verdict.change.events;
      const applied = state
        ? await this.store.change({
            id: row.id,
            where: [where.stateIn('outcome_unknown'), where.attempt(row.attempt)],
            ...verdict.change,
            events: [
              attemptEnded!,
              { type: 'late_answer', actor: 'upstream', data: { answer: verdict.answer } },
              ...rest.filter((event) => event.type !== verdict.answer),
            ],
          })
        : null;
      if (applied) return applied;
    }
    const kept = await this.store.change({
      id: row.id,
      where: [],
      patch: {},
      events: [{ type: 'late_answer_kept', actor: 'upstream', data: evidenceOf(row, end) }],
    });
    return kept ?? fresh;
  }

  /** Whether a settle whose acknowledgement was lost had been written after all. */
  async #isWritten(fresh: Row, attempt: number): Promise<boolean> {
    const events = await this.store.events(fresh.id, Math.max(0, fresh.lastSeq - 10), 10);
    return events.some(
      ({ type, data }) => type === 'attempt_ended' && data['attempt'] === attempt && data['lapsed'] === undefined,
    );
  }
}

/** An answer that says nothing must find the attempt as it left it; a definite one is welcome late, too. */
function holds(verdict: Verdict, end: AttemptEnd): Condition[] {
  if (end.type === 'failed' && end.lapsed) return [where.leaseLapsed()];
  if (end.type === 'out_of_tries') return [where.noLease(), where.tryIsDue()];
  return verdict.answer ? [] : [where.leaseHeld()];
}

function isDefinite(row: Row, error: UpstreamError): boolean {
  return row.doubtAttempt === null && (error.failure === 'rejected' || error.failure === 'rejected_unclear');
}

const ofSubmission = (row: Row, each: UnresolvedAttempt) => each.step === row.step && each.attempt >= row.submission;

/** What stays open of this submission: the latest attempt without a definite answer, or nothing. */
function doubtAfter(row: Row, error: UpstreamError): Patch {
  if (!canLeaveDoubt(row.step!)) return {};
  const doubtAttempt = INDEFINITE.has(error.failure) ? row.attempt : row.doubtAttempt;
  return { doubtAttempt, unresolved: unresolvedAfter(row, doubtAttempt, error) };
}

function unresolvedAfter(row: Row, doubtAttempt: number | null, error: UpstreamError | null): UnresolvedAttempt[] {
  const earlier = row.unresolved.filter((each) => !ofSubmission(row, each));
  const open = row.unresolved.find((each) => ofSubmission(row, each) && each.attempt === doubtAttempt);
  if (!open) return earlier;
  const evidence = error && doubtAttempt === row.attempt ? { evidence: { ...error.evidence, detail: error.message } } : {};
  return [...earlier, { ...open, ...evidence }];
}

function effectOf(step: Step, row: Row, error: UpstreamError): { patch: Patch; clauses: Clause[] } {
  if (WITHOUT_EFFECT.has(error.failure)) return withoutEffect(step, row);
  return { patch: step.counted?.(row) ?? {}, clauses: [] };
}

function withoutEffect(step: Step, row: Row): { patch: Patch; clauses: Clause[] } {
  const { patch = {}, clauses = [] } = step.withoutEffect?.(row) ?? {};
  return { patch, clauses };
}

function outcomeLost(error: UpstreamError): StepEnd {
  return {
    signal: 'outcome_lost',
    result: { code: 'outcome_unknown', detail: 'The call may have taken effect; nobody can say.' },
    data: { ...error.evidence, detail: error.message },
  };
}

function resultOf(row: Row, code: ResultCode, detail: string) {
  return { step: row.step!, code, detail, at: new Date().toISOString() };
}

function attemptEndedEvent(
  row: Row,
  ended: 'ok' | FailureClass,
  evidence: Pick<CallEvidence, 'status' | 'durationMs'>,
  more: Record<string, unknown> = {},
): NewEvent {
  const { status, durationMs } = evidence;
  return {
    type: 'attempt_ended',
    actor: 'upstream',
    data: { step: row.step, attempt: row.attempt, class: ended, upstreamStatus: status, durationMs, ...more },
  };
}

/** A lost answer to `init-otp` may have mailed a code that fits nothing any more: the user is to use the newest. */
function mailEvents(row: Row, error: UpstreamError): NewEvent[] {
  if (row.step !== 'init-otp' || !INDEFINITE.has(error.failure)) return [];
  return [{ type: 'second_mail_possible', actor: 'service', data: { attempt: row.attempt } }];
}

const statusIn = (events: NewEvent[]) => (events[0]?.data?.['upstreamStatus'] as number | null | undefined) ?? null;

function evidenceOf(row: Row, end: AttemptEnd): Record<string, unknown> {
  const attempt = { step: row.step as StepName, attempt: row.attempt };
  if (end.type === 'succeeded') return { ...attempt, class: 'ok', answer: end.end.signal, ...end.end.data };
  if (end.type === 'failed') return { ...attempt, class: end.error.failure, upstreamStatus: end.error.evidence.status };
  return attempt;
}
