import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, Log, errorOf, traced, type Config } from '#libs/platform';
import { Integrations, UpstreamError, type Call } from '#libs/upstream';
import { deadlineOf, type Row } from '../flow/row.js';
import { stepOfState } from '../flow/table.js';
import type { Answering } from '../store/answering.js';
import { DataKeys } from '../store/data-keys.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Subjects } from '../store/subjects.js';
import { noteEnd, spanAttributesOf } from './attempt-span.js';
import type { Claimed } from './claim.js';
import { KeptRequests } from './kept-requests.js';
import { Settlement } from './settle.js';
import { aboutAttempt } from './step-log.js';
import { Steps } from './step.js';
import type { AttemptEnd } from './verdict.js';

/**
 * Makes the call of an attempt, and writes its end. The first attempt runs in a request, later ones in jobs.
 * The call continues even if the caller disconnects.
 */
@Injectable()
export class StepRunner implements BeforeApplicationShutdown {
  readonly #logger = new Log('StepRunner');
  readonly #running = new Set<Promise<unknown>>();

  constructor(
    private readonly steps: Steps,
    private readonly integrations: Integrations,
    private readonly settlement: Settlement,
    private readonly store: OnboardingStore,
    private readonly dataKeys: DataKeys,
    private readonly subjects: Subjects,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @param answering stored together with the end of the attempt. */
  run(claimed: Claimed, answering?: Answering): Promise<Row> {
    const running = traced(`attempt ${claimed.row.step}`, (span) => {
      span?.set(spanAttributesOf(claimed.row));
      return this.#attempt(claimed).then((end) => {
        if (span) noteEnd(span, end);
        return this.settlement.settle(claimed.row, end, answering);
      });
    });
    const tracked = running
      .catch((error: unknown) =>
        this.#logger.error(
          { err: errorOf(error), ...aboutAttempt(claimed.row) },
          'an attempt is not settled',
        ),
      )
      .finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    return running;
  }

  /** Ends an attempt whose process died during the call, which may have taken effect. */
  takeOver(row: Row): Promise<Row> {
    const error = new UpstreamError('no_answer', {
      detail: 'the process that made the call wrote no result before its lease ended',
      evidence: { bytesSent: true, headersSeen: false, status: null, durationMs: null },
    });
    return this.settlement.settle(row, { type: 'failed', error, lapsed: true });
  }

  /** Ends a waiting step whose next try would exceed a budget. */
  giveUp(row: Row): Promise<Row> {
    return this.settlement.settle(row, { type: 'no_next_attempt' });
  }

  async beforeApplicationShutdown(): Promise<void> {
    // More attempts may begin during this wait.
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #attempt({ row, claimedAtMs }: Claimed): Promise<AttemptEnd> {
    if (row.paused) return { type: 'integration_paused' };
    const integration = this.integrations.find(row.integration);
    if (!integration) return { type: 'integration_missing' };
    let mayHaveLeft = false;
    const startedAtMs = this.clock.monotonicMs();
    // Rounded down, and measured from the claim's end, so that it never exceeds the time between the
    // attempt's two events in the timeline.
    const durationMs = () => Math.floor(this.clock.monotonicMs() - startedAtMs);
    const ageMs = () => this.clock.monotonicMs() - claimedAtMs;
    const leftMs = this.#timeLeft(row);
    const kept = new KeptRequests(row, this.store, this.dataKeys);
    const call: Call = {
      timeoutMs: Math.max(1, Math.min(this.config.CALL_TIMEOUT_MS, leftMs - ageMs())),
      beforeSend: () => {
        // After a suspension of the machine, another process may have taken over the attempt. So its first
        // call must follow soon after the claim, and later calls within the timeout of a call.
        const maxAgeMs = mayHaveLeft ? this.config.CALL_TIMEOUT_MS : this.config.CLAIM_MAX_AGE_MS;
        if (ageMs() > maxAgeMs) throw new Error('the attempt began too long ago to be sent');
        if (ageMs() >= leftMs) throw new Error('the time for the step ran out before it was sent');
        mayHaveLeft = true;
      },
      kept: (name, make) => kept.kept(name, make),
    };
    try {
      const opened = this.subjects.opened(row);
      const step = stepOfState(row.state);
      if (!step) throw new Error(`no step is in flight in the state ${row.state}`);
      const end = await this.steps.get(step).call(integration.provider, call, opened);
      return { type: 'succeeded', end, durationMs: durationMs() };
    } catch (error) {
      if (error instanceof UpstreamError) return { type: 'failed', error, durationMs: durationMs() };
      const about = { err: errorOf(error), ...aboutAttempt(row) };
      this.#logger.error(about, 'an error of this service ended a call');
      const fault = ourFault(error, mayHaveLeft, durationMs());
      return { type: 'failed', error: fault, durationMs: durationMs() };
    }
  }

  /** @returns the milliseconds from the claim to the end of the code, the session or the onboarding. */
  #timeLeft(row: Row): number {
    return (deadlineOf(row)?.getTime() ?? Infinity) - row.now.getTime();
  }
}

/** If bytes were sent, the provider may still have acted. */
const ourFault = (cause: unknown, bytesSent: boolean, durationMs: number) =>
  new UpstreamError(bytesSent ? 'no_answer' : 'not_sent', {
    detail: 'an internal error kept this service from reading the answer',
    evidence: { bytesSent, headersSeen: false, status: null, durationMs },
    cause,
  });
