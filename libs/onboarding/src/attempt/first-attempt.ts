import { Inject, Injectable } from '@nestjs/common';
import { isDatabaseAway } from '#libs/database';
import { CLOCK, ProblemError, type Clock } from '#libs/kernel';
import { Health } from '#libs/platform';
import { problemOf } from '../flow/codes.js';
import { asOfNow } from '../flow/move.js';
import { stateAndNextAction } from '../flow/refusal.js';
import { changesAt, type Row } from '../flow/row.js';
import { isEnded, stepOfState, type StepName } from '../flow/table.js';
import { DataKeys } from '../store/data-keys.js';
import { IdempotencyKeys } from '../store/idempotency-keys.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Subjects } from '../store/subjects.js';
import { AnswerWithSettle } from './answer-with-settle.js';
import type { Claimed, Terms } from './claim.js';
import { RetryBudget } from './retry-budget.js';
import { RowWatch } from './row-watch.js';
import { StepRunner } from './run.js';

/** Runs a step's first attempt, and waits for the end of the step as long as the caller wants. */
@Injectable()
export class FirstAttempt {
  constructor(
    private readonly runner: StepRunner,
    private readonly store: OnboardingStore,
    private readonly budget: RetryBudget,
    private readonly watch: RowWatch,
    private readonly health: Health,
    private readonly subjects: Subjects,
    private readonly dataKeys: DataKeys,
    private readonly keys: IdempotencyKeys,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** The attempt continues after the wait. */
  async runAndWait(
    claimed: Claimed,
    { waitMs, key, answerMaker }: Pick<Terms, 'waitMs' | 'key' | 'answerMaker'>,
  ): Promise<Row> {
    const until = this.clock.monotonicMs() + waitMs;
    this.budget.firstTry(claimed.row.integration);
    const show = (shown: Row) => this.#shown(claimed, shown);
    const answering =
      waitMs > 0 && key && answerMaker ? new AnswerWithSettle(answerMaker, key, this.keys, show) : undefined;
    const running = this.runner.run(claimed, answering);
    let row = waitMs > 0 ? await within(running, waitMs) : null;
    if (answering?.row) return answering.row;
    if (!row) return this.#shown(claimed, await this.#latest(claimed.row));
    for (let readAt = this.clock.monotonicMs(); isWaiting(asOfNow(row)); readAt = this.clock.monotonicMs()) {
      const left = until - readAt;
      // A process that is stopping answers immediately. The worker continues the step.
      if (left <= 0 || msUntil(row, row.nextAttemptAt) > left || this.health.closed) break;
      if (!this.watch.hasRoomFor(row.caller)) break;
      // At a deadline, the step ends even if no worker has written the end.
      const fresh = await this.watch.next(row, Math.min(left, Math.max(1, msUntil(row, changesAt(row)))));
      row = fresh ?? (await this.#latest(row));
    }
    return this.#shown(claimed, row);
  }

  /** While PostgreSQL is away, returns the known row. Throws no error, because the step has begun. */
  async #latest(known: Row): Promise<Row> {
    try {
      return (await this.store.find(known.id)) ?? known;
    } catch (error) {
      if (!isDatabaseAway(error)) throw error;
      return known;
    }
  }

  #shown(claimed: Claimed, row: Row): Row {
    this.dataKeys.handOver(claimed.row, row);
    return this.subjects.withContact(asOfNow(row));
  }
}

/** @returns the milliseconds from the read of the row to `at`; 0 if `at` is null. */
const msUntil = ({ now }: Row, at: Date | null) => (at ? at.getTime() - now.getTime() : 0);

const isWaiting = (row: Row) => stepOfState(row.state) !== null && row.parkedReason === null;

async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Throws the problem that the caller gets if a step did not succeed.
 *
 * @param row the row after the wait. Other commands may have changed it.
 * @param step the caller's step. A later step's result is not reported.
 */
export function throwIfFailed(row: Row, step: StepName): void {
  if (stepOfState(row.state)) return;
  const extensions = { onboardingId: row.id, ...stateAndNextAction(row) };
  const result = row.failure ?? row.lastResult;
  const code = result?.step === step ? problemOf(result.code) : null;
  if (result && code) {
    throw new ProblemError(code, {
      detail: result.detail,
      ...(result.errors && { errors: result.errors }),
      extensions: { ...extensions, ...(row.state === 'otp_sent' && { attemptsLeft: row.otpTriesLeft }) },
    });
  }
  if (isEnded(row.state) && row.state !== 'completed') {
    throw new ProblemError('onboarding_ended', {
      detail: `The onboarding is now ${row.state}.`,
      extensions,
    });
  }
  if (step !== 'init-otp' && row.state === 'otp_needed' && row.reason !== 'send_failed') {
    throw new ProblemError(row.reason, { detail: 'Ask for a new code.', extensions });
  }
  if (!showsEndOf(step, row)) {
    const detail = 'Another command changed the onboarding before this step had ended. Read the onboarding.';
    throw new ProblemError('illegal_state', { detail, extensions });
  }
}

/** Whether the row shows the step's success or contains its result. Always true for `init-otp`. */
function showsEndOf(step: StepName, row: Row): boolean {
  const { state, lastResult } = row;
  if (step === 'init-otp' || lastResult?.step === step || state === 'completed') return true;
  if (state === 'outcome_unknown') return row.step !== step;
  return step === 'verify-otp' && state === 'otp_verified';
}
