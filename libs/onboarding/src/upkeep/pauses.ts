import { Injectable } from '@nestjs/common';
import { JobProducer } from '#libs/jobs';
import { lowestUuidV7 } from '#libs/kernel';
import { stepJob, stepJobId } from '../attempt/step.job.js';
import { unpark } from '../flow/move.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { PARKED_BY_PAUSE, RESUMED_INTEGRATIONS } from '../store/statements/parked.js';

const BATCH = 200;

/** Releases onboardings that a pause has parked, once their integration is resumed. */
@Injectable()
export class Pauses {
  constructor(
    private readonly store: OnboardingStore,
    private readonly jobs: JobProducer,
  ) {}

  /**
   * Releases rows until none is left, or the integration is paused again. A row that changes meanwhile is
   * left to {@link releaseLate}.
   *
   * @param by who resumed the integration, and why.
   * @returns how many were released.
   */
  async release(
    integration: string,
    by?: { by: string; reason: string },
    counted?: (more: number) => Promise<void>,
  ): Promise<number> {
    let released = 0;
    for (let after = lowestUuidV7(0); ;) {
      const rows = await this.store.rows(PARKED_BY_PAUSE, { integration, after, limit: BATCH });
      let more = 0;
      for (const row of rows) {
        const { id, step, attempt } = row;
        if (!(await this.store.command(row, unpark(row.now, by)))) continue;
        more += 1;
        await this.jobs.wake(stepJob(step!), { onboardingId: id }, stepJobId(step!, id, attempt + 1));
      }
      released += more;
      if (more > 0) await counted?.(more);
      if (rows.length < BATCH) return released;
      after = rows.at(-1)!.id;
    }
  }

  /** Releases rows whose attempts were claimed during a pause, and settled after it. */
  async releaseLate(): Promise<number> {
    let released = 0;
    const resumed = await this.store.run<{ integration: string }>(RESUMED_INTEGRATIONS, {});
    for (const { integration } of resumed) released += await this.release(integration);
    return released;
  }
}
