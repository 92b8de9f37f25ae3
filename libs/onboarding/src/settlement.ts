import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { isDatabaseAway } from '#libs/database';
import { JobProducer } from '#libs/jobs';
import { Metrics } from '#libs/platform';
import { STATE_OF_STEP, nextState, type StepName } from './machine.js';
import { OnboardingStore, where, type Change, type Condition, type Row } from './onboarding.store.js';
import { logOutcomeLost, logParked } from './step-log.js';
import { stepJob, stepJobId } from './step.job.js';
import { Verdicts, type AttemptEnd, type Verdict } from './verdict.js';

/** PostgreSQL is asked again after this long when it is away: the answer in memory is the only copy there is. */
const DATABASE_PAUSE_MS = 250;

/** The second of an attempt's two writes: what its end means by the retry law, in one statement. */
@Injectable()
export class Settlement {
  readonly #logger = new Logger(Settlement.name);

  constructor(
    private readonly store: OnboardingStore,
    private readonly verdicts: Verdicts,
    private readonly jobs: JobProducer,
    private readonly metrics: Metrics,
  ) {}

  /**
   * @param row as its claim returned it.
   * @returns the row as it stands after the settle, whoever moved it.
   */
  async settle(row: Row, end: AttemptEnd): Promise<Row> {
    const step = row.step!;
    const verdict = this.verdicts.of(row, end);
    const change: Change = {
      id: row.id,
      where: [where.stateIn(STATE_OF_STEP[step]), where.attempt(row.attempt), ...holds(verdict, end)],
      ...verdict.change,
    };
    const { result: settled, again } = await this.#persistently(row.id, () => this.store.change(change));
    if (!settled) {
      const late = await this.#persistently(row.id, () => this.#tooLate(row, end, verdict, again));
      return late.result;
    }
    this.#count(row, end, verdict);
    tell(row, end, verdict);
    if (verdict.retryInMs !== null) {
      const payload = { onboardingId: row.id, attempt: row.attempt + 1 };
      await this.jobs.add(stepJob(step), payload, {
        id: stepJobId(step, payload),
        delayMs: verdict.retryInMs,
      });
    }
    return settled;
  }

  #count(row: Row, end: AttemptEnd, { signal }: Verdict): void {
    const { integration } = row;
    if (end.type === 'succeeded' || end.type === 'failed') {
      const durationMs = end.durationMs ?? (end.type === 'failed' ? end.error.evidence.durationMs : null);
      const labels = {
        integration,
        step: row.step!,
        end: end.type === 'succeeded' ? 'ok' : end.error.failure,
      };
      // After a takeover, no duration of the call is known.
      if (durationMs !== null) this.metrics.attempts.observe(labels, durationMs / 1000);
    }
    if (signal) this.metrics.signals.inc({ integration, signal });
  }

  /** Until PostgreSQL takes it: the answer in memory is the only copy there is. Only the process's end ends that. */
  async #persistently<T>(id: string, work: () => Promise<T>): Promise<{ result: T; again: boolean }> {
    for (let again = false; ; again = true) {
      try {
        const result = await work();
        if (again) this.#logger.log(`settle of ${id} has waited for the database, and is written`);
        return { result, again };
      } catch (error) {
        if (!isDatabaseAway(error)) throw error;
        // Only once, because an outage may last for minutes.
        if (!again) {
          this.#logger.warn(`settle of ${id} waits for the database: ${(error as Error).message}`);
        }
        await sleep(DATABASE_PAUSE_MS);
      }
    }
  }

  /** The row went on without this attempt: its answer changes nothing, but for the answer to the doubt itself. */
  async #tooLate(row: Row, end: AttemptEnd, verdict: Verdict, again: boolean): Promise<Row> {
    const fresh = await this.store.find(row.id);
    if (!fresh) return row;
    if (again && (await this.#isWritten(fresh, row.attempt))) {
      tell(row, end, verdict);
      return fresh;
    }
    if (end.type === 'integration_missing' || end.type === 'out_of_tries') return fresh;
    // A takeover that came too late has no answer to keep: somebody else settled the attempt.
    if (end.type === 'failed' && end.lapsed) return fresh;
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
      ({ type, data }) =>
        type === 'attempt_ended' && data['attempt'] === attempt && data['lapsed'] === undefined,
    );
  }
}

/** Logs what may need an operator. */
function tell(row: Row, end: AttemptEnd, { change, signal }: Verdict): void {
  const { id: onboardingId, integration, step, attempt } = row;
  const about = { onboardingId, integration, step, attempt };
  const error = end.type === 'failed' ? end.error : null;
  const { parkedReason } = change.patch;
  if (typeof parkedReason === 'string') logParked(about, parkedReason, error?.evidence.status ?? null);
  if (signal !== 'outcome_lost') return;
  if (!error) logOutcomeLost({ ...about, attempt: row.doubtAttempt ?? attempt }, 'out_of_time');
  else logOutcomeLost(about, end.type === 'failed' && end.lapsed ? 'lapsed' : error.failure, error.evidence);
}

/** An answer that says nothing must find the attempt as it left it; a definite one is welcome late, too. */
function holds(verdict: Verdict, end: AttemptEnd): Condition[] {
  if (end.type === 'failed' && end.lapsed) return [where.leaseLapsed()];
  if (end.type === 'out_of_tries') return [where.noLease(), where.tryIsDue()];
  return verdict.answer ? [] : [where.leaseHeld()];
}

function evidenceOf(row: Row, end: AttemptEnd): Record<string, unknown> {
  const attempt = { step: row.step as StepName, attempt: row.attempt };
  if (end.type === 'succeeded') return { ...attempt, class: 'ok', answer: end.end.signal, ...end.end.data };
  if (end.type === 'failed')
    return { ...attempt, class: end.error.failure, upstreamStatus: end.error.evidence.status };
  return attempt;
}
