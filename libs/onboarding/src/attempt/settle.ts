import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { isDatabaseAway } from '#libs/database';
import { JobProducer } from '#libs/jobs';
import { Log, Metrics, traced, type Span } from '#libs/platform';
import { dataOf, type EventData } from '../flow/events.js';
import { keepLateAnswer, lateAnswer } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import { stateOfStep, type StepName } from '../flow/table.js';
import { UnknownRefusals } from '../integrations/unknown-refusals.js';
import type { Answering } from '../store/answering.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Expiry } from '../upkeep/expire.js';
import { aboutAttempt, logOutcomeLost, logParked } from './step-log.js';
import { stepJob, stepJobId } from './step.job.js';
import { Verdicts, certainlyNoEffect, type AttemptEnd, type Verdict } from './verdict.js';

const DATABASE_PAUSE_MS = 250;

interface Written {
  row: Row;
  /** Null if the end has changed nothing but a note in the timeline. */
  verdict: Verdict | null;
}

/** Makes the second of an attempt's two writes: it writes what the retry law decides, in one statement. */
@Injectable()
export class Settlement {
  readonly #logger = new Log('Settlement');
  readonly #attempts;
  readonly #signals;

  constructor(
    private readonly store: OnboardingStore,
    private readonly verdicts: Verdicts,
    private readonly jobs: JobProducer,
    private readonly refusals: UnknownRefusals,
    private readonly expiry: Expiry,
    metrics: Metrics,
  ) {
    this.#attempts = metrics.histogram('gangway_attempt_duration_seconds');
    this.#signals = metrics.counter('gangway_signals_total');
  }

  /**
   * @param row the row that the claim returned.
   * @returns the row after this write, even if another process has changed its state.
   */
  settle(row: Row, end: AttemptEnd, answering?: Answering): Promise<Row> {
    return traced('settle', () => this.#settle(row, end, answering), noteState);
  }

  async #settle(row: Row, end: AttemptEnd, answering?: Answering): Promise<Row> {
    const step = row.step!;
    const decided = this.verdicts.on(row, end);
    const { row: written, verdict } = await this.#persistently(row, (again) =>
      this.#write(row, step, end, decided, again, answering),
    );
    if (end.type === 'failed') {
      const { id: onboardingId, integration } = row;
      this.refusals.note({ integration, step, onboardingId }, end.error);
    }
    if (!verdict) return written;
    this.#count(row, end, verdict);
    this.#logEnd(row, end, verdict);
    logForOperators(row, end, verdict);
    if (verdict.retryInMs !== null) {
      const jobId = stepJobId(step, row.id, row.attempt + 1);
      await this.jobs.add(stepJob(step), { onboardingId: row.id }, { id: jobId, delayMs: verdict.retryInMs });
    }
    return written;
  }

  /**
   * If the row has changed since the claim, but the attempt is still in flight, writes to the current row. If
   * a deadline has passed, expires the row first.
   */
  async #write(
    row: Row,
    step: StepName,
    end: AttemptEnd,
    verdict: Verdict,
    again: boolean,
    answering?: Answering,
  ): Promise<Written> {
    for (let seen = row; ;) {
      if ((seen === row && isClaimed(end)) || isOpenTo(seen, row, step, verdict, end)) {
        const written = await this.store.settle(step, seen, verdict.moved, verdict.now, answering);
        if (written) return { row: written, verdict };
      } else {
        const written = await this.#late(seen, row, step, end);
        if (written) return written;
      }
      const found = await this.store.find(row.id);
      const fresh = found && (await this.expiry.upToDate(found));
      if (!fresh) return { row, verdict: null };
      const written = again ? await this.#writtenEnd(fresh, row.attempt) : null;
      if (written) {
        if (written === 'in_time') logForOperators(row, end, verdict);
        return { row: fresh, verdict: null };
      }
      seen = fresh;
    }
  }

  /** This end, for which the row no longer waits, changes the state only if it decides an unknown outcome. */
  async #late(seen: Row, row: Row, step: StepName, end: AttemptEnd): Promise<Written | null> {
    // This process made no attempt, so it has nothing to record.
    if (!isClaimed(end)) return { row: seen, verdict: null };
    const causedIt = seen.state === 'outcome_unknown' && seen.attempt === row.attempt;
    const verdict = causedIt ? this.verdicts.onLost(row, end, seen.now) : null;
    const moved = verdict && lateAnswer(seen, verdict.moved, verdict.answer!);
    if (!moved) {
      const note = keepLateAnswer(seen, evidenceOf(row, end));
      // An earlier attempt keeps the outcome unknown, but this attempt had no effect.
      if (causedIt && row.doubtAttempt !== null && certainlyNoEffect(row, end)) {
        note.patch.unresolved = seen.unresolved.filter(({ attempt }) => attempt !== row.attempt);
      }
      const kept = await this.store.keepAnswer(seen, note);
      return kept && { row: kept, verdict: null };
    }
    const written = await this.store.settle(step, seen, moved, verdict!.now);
    if (written) this.#logger.info(aboutAttempt(row), `a late end tells the outcome: ${verdict!.answer}`);
    return written && { row: written, verdict };
  }

  #count(row: Row, end: AttemptEnd, { signal }: Verdict): void {
    const { integration } = row;
    if (end.type === 'succeeded' || end.type === 'failed') {
      const { durationMs } = end;
      const labels = {
        integration,
        step: row.step!,
        class: end.type === 'succeeded' ? 'ok' : end.error.failure,
      };
      // After a takeover, the duration of the call is unknown.
      if (durationMs !== undefined) this.#attempts.observe(labels, durationMs / 1000);
    }
    if (signal) this.#signals.inc({ integration, signal });
  }

  #logEnd(row: Row, end: AttemptEnd, { parked, retryInMs, signal }: Verdict): void {
    const error = end.type === 'failed' ? end.error : null;
    const how = end.type === 'succeeded' ? 'ok' : (error?.failure ?? end.type);
    const next =
      parked ?? signal ?? (retryInMs === null ? 'nothing' : `a retry in ${Math.ceil(retryInMs)} ms`);
    const line = { ...aboutAttempt(row), class: how, upstreamStatus: error?.evidence.status };
    this.#logger.debug(line, `${row.step} ended: ${how}, then ${next}`);
  }

  /**
   * Tries until PostgreSQL accepts the write or the process ends, because no other copy of the answer exists.
   */
  async #persistently<T>(row: Row, work: (again: boolean) => Promise<T>): Promise<T> {
    for (let again = false; ; again = true) {
      try {
        const result = await work(again);
        if (again)
          this.#logger.info(aboutAttempt(row), 'a settle has waited for the database, and is written');
        return result;
      } catch (error) {
        if (!isDatabaseAway(error)) throw error;
        // Logged only once, because an outage may last for minutes.
        if (!again) {
          const text = `a settle waits for the database: ${(error as Error).message}`;
          this.#logger.warn(aboutAttempt(row), text);
        }
        await sleep(DATABASE_PAUSE_MS);
      }
    }
  }

  /** @returns how an unconfirmed try has written the end; null if it was not written. */
  async #writtenEnd(fresh: Row, attempt: number): Promise<'in_time' | 'late' | null> {
    const events = await this.store.events(fresh.id, Math.max(0, fresh.lastSeq - 10), 10);
    for (const [index, event] of events.entries()) {
      if (dataOf(event, 'late_answer_kept')?.attempt === attempt) return 'late';
      const ended = dataOf(event, 'attempt_ended');
      if (ended?.attempt === attempt && ended.lapsed === undefined) {
        return events[index + 1]?.type === 'late_answer' ? 'late' : 'in_time';
      }
    }
    return null;
  }
}

const noteState = (span: Span, { state }: Row) => span.set({ 'gangway.state': state });

/** False if this process has begun no attempt: after a takeover, or if the next attempt exceeds a budget. */
const isClaimed = (end: AttemptEnd): end is Exclude<AttemptEnd, { type: 'no_next_attempt' }> =>
  end.type !== 'no_next_attempt' && !(end.type === 'failed' && end.lapsed);

/** Without a definite answer, the end may be written only while the row has a lease. */
function isOpenTo(seen: Row, row: Row, step: StepName, { answer }: Verdict, end: AttemptEnd): boolean {
  if (seen.attempt !== row.attempt || seen.state !== stateOfStep(step)) return false;
  if (end.type === 'failed' && end.lapsed) return seen.leaseUntil !== null && seen.leaseUntil <= seen.now;
  if (end.type === 'no_next_attempt') {
    return seen.leaseUntil === null && seen.nextAttemptAt !== null && seen.nextAttemptAt <= seen.now;
  }
  return answer !== null || seen.leaseUntil !== null;
}

function logForOperators(row: Row, end: AttemptEnd, { parked, signal }: Verdict): void {
  const about = aboutAttempt(row);
  const error = end.type === 'failed' ? end.error : null;
  if (parked) logParked(about, parked, error?.evidence.status ?? null);
  if (signal !== 'outcome_lost') return;
  if (!error) logOutcomeLost({ ...about, attempt: row.doubtAttempt ?? row.attempt }, 'out_of_time');
  else logOutcomeLost(about, end.type === 'failed' && end.lapsed ? 'lapsed' : error.failure, error.evidence);
}

function evidenceOf(
  row: Row,
  end: Exclude<AttemptEnd, { type: 'no_next_attempt' }>,
): EventData<'late_answer_kept'> {
  const attempt = { step: row.step!, attempt: row.attempt };
  if (end.type === 'failed') {
    return { ...attempt, class: end.error.failure, upstreamStatus: end.error.evidence.status };
  }
  if (end.type !== 'succeeded') return { ...attempt, class: 'not_sent', upstreamStatus: null };
  return { ...attempt, class: 'ok', answer: end.end.signal, ...dataOfAnswer(end) };
}

function dataOfAnswer({ end }: AttemptEnd & { type: 'succeeded' }): Partial<EventData<'late_answer_kept'>> {
  if (end.signal === 'otp_verified') return { sessionExpiresAt: end.facts.sessionExpiresAt.toISOString() };
  if (end.signal !== 'authenticators_created') return {};
  const { authenticatorIds } = end.facts;
  return { authenticatorIds, ...(authenticatorIds === null && { unmapped: true }) };
}
