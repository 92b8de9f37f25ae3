import { Inject, Injectable } from '@nestjs/common';
import { EndedBadly, TooEarly, type JobHandler, type JobOutcome } from '#libs/jobs';
import { CONFIG, Metrics, Tracing, type Config } from '#libs/platform';
import { deadlineOf, type Row, type RowInStep } from '../flow/row.js';
import { STEPS, isEnded, stepOfState, type StepName } from '../flow/table.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Claims } from './claim.js';
import { RetryBudget } from './retry-budget.js';
import { StepRunner } from './run.js';
import { stepJob, type StepJobPayload } from './step.job.js';

/** Makes all attempts after the first, for all three steps. The row decides what a job does. */
@Injectable()
export class StepHandler {
  readonly #putOffs;

  constructor(
    private readonly store: OnboardingStore,
    private readonly claims: Claims,
    private readonly runner: StepRunner,
    private readonly budget: RetryBudget,
    @Inject(CONFIG) { INTEGRATIONS }: Config,
    private readonly tracing: Tracing,
    metrics: Metrics,
  ) {
    this.#putOffs = metrics.counter('gangway_retries_put_off_total');
    for (const { name } of INTEGRATIONS) this.#putOffs.inc({ integration: name }, 0);
  }

  handlers(): JobHandler<StepJobPayload>[] {
    return STEPS.map((step) => ({ job: stepJob(step), handle: (payload) => this.#wake(step, payload) }));
  }

  /** May run twice, late or without need, because it decides by the current row. */
  async #wake(step: StepName, { onboardingId }: StepJobPayload): Promise<JobOutcome> {
    const row = await this.store.find(onboardingId);
    if (!row) return { outcome: 'gone' };
    if (!isInStep(row, step)) return { outcome: 'not_needed', state: row.state };
    if (row.parkedReason) return { outcome: 'parked', reason: row.parkedReason };
    if (row.leaseUntil) {
      if (row.leaseUntil > row.now) return { outcome: 'in_flight', attempt: row.attempt };
      return this.#outcomeOf(row, await this.#traced(row, () => this.runner.takeOver(row)));
    }
    const waitMs = (row.nextAttemptAt?.getTime() ?? 0) - row.now.getTime();
    // The times in the row are cut to milliseconds, so the try is certainly due only a millisecond later.
    if (waitMs > -1) throw new TooEarly(waitMs + 1);
    const overBudgetMs = await this.budget.take(row.integration);
    if (overBudgetMs > 0) {
      this.#putOffs.inc({ integration: row.integration });
      return this.#putOff(row, overBudgetMs);
    }
    const tried = await this.#traced(row, async () => {
      const claimed = await this.claims.retry(row);
      return claimed && this.runner.run(claimed);
    });
    return tried ? this.#outcomeOf(row, tried) : this.#notClaimed(row);
  }

  /** Traces an attempt if the request that caused it was traced. */
  #traced<T>(row: RowInStep, work: () => Promise<T>): Promise<T> {
    return this.tracing.caused(`job ${row.step}`, row.traceParent, work);
  }

  /** Writes the delay to the row too, for the sweeper and for callers. */
  async #putOff(row: Row, waitMs: number): Promise<JobOutcome> {
    if (!(await this.store.putOff(row, waitMs))) return { outcome: 'lost_race' };
    throw new TooEarly(waitMs);
  }

  /** If another process was faster, does nothing. If the budget is used up, ends the step. */
  async #notClaimed(seen: Row): Promise<JobOutcome> {
    const row = await this.store.find(seen.id);
    const untouched =
      row?.attempt === seen.attempt && row.state === seen.state && row.version === seen.version;
    if (!row || !untouched || row.leaseUntil || row.parkedReason) return { outcome: 'lost_race' };
    const deadline = deadlineOf(row);
    if (deadline && deadline <= row.now) return { outcome: 'deadline_passed' };
    return this.#outcomeOf(seen, await this.runner.giveUp(row));
  }

  /** If the step has failed for good, the job fails with the reason, so that operators see it. */
  #outcomeOf(before: Row, row: Row): JobOutcome {
    if (row.state === before.state) {
      const next = { attempt: row.attempt, nextAttemptAt: row.nextAttemptAt?.toISOString() ?? null };
      return row.parkedReason
        ? { outcome: 'parked', reason: row.parkedReason }
        : { outcome: 'retry_scheduled', ...next };
    }
    const bad = row.failure ?? row.lastResult;
    if (bad && !(isEnded(row.state) && row.state !== 'failed'))
      throw new EndedBadly(`${bad.code}: ${bad.detail}`);
    return { outcome: row.state, attempt: row.attempt };
  }
}

const isInStep = (row: Row, step: StepName): row is RowInStep => stepOfState(row.state) === step;
