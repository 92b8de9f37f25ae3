import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { JobProducer } from '#libs/jobs';
import { lowestUuidV7 } from '#libs/kernel';
import { stepJob, stepJobId } from '../attempt/step.job.js';
import { unpark } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { PARKED_BY_PAUSE, RESUMED_INTEGRATIONS } from '../store/statements/parked.js';
import { someAtOnce } from './some-at-once.js';

const BATCH = 200;
const AT_ONCE = 5;

export interface Resumed {
  by: string;
  reason: string;
}

export interface Released {
  released: number;
  isComplete: boolean;
}

/** Releases onboardings that a pause has parked, once their integration is resumed. */
@Injectable()
export class Pauses implements OnModuleDestroy {
  #closing = false;

  constructor(
    private readonly store: OnboardingStore,
    private readonly jobs: JobProducer,
  ) {}

  onModuleDestroy(): void {
    this.#closing = true;
  }

  /**
   * Releases rows until none is left, the integration is paused again, or the process stops. Skips a row that
   * changes during the release: {@link releaseLate} releases it.
   *
   * @param mayContinue gets the number of rows that each batch has released. False stops the release.
   */
  async release(
    integration: string,
    by?: Resumed,
    mayContinue: (more: number) => Promise<boolean> = () => Promise.resolve(true),
  ): Promise<Released> {
    let released = 0;
    for (let after = lowestUuidV7(0); !this.#closing;) {
      const rows = await this.store.rows(PARKED_BY_PAUSE, { integration, after, limit: BATCH });
      const more = (await someAtOnce(AT_ONCE, rows, (row) => this.#release(row, by))).filter(Boolean).length;
      released += more;
      if (!(await mayContinue(more))) break;
      if (rows.length < BATCH) return { released, isComplete: true };
      after = rows.at(-1)!.id;
    }
    return { released, isComplete: false };
  }

  /**
   * Releases rows that were parked after the resume, because their attempts began during the pause. Skips
   * integrations whose resume is still under way: its operation releases their rows.
   */
  async releaseLate(): Promise<number> {
    let all = 0;
    const resumed = await this.store.run<{ integration: string }>(RESUMED_INTEGRATIONS, {});
    for (const { integration } of resumed) all += (await this.release(integration)).released;
    return all;
  }

  async #release(row: Row, by: Resumed | undefined): Promise<boolean> {
    const { id, step, attempt } = row;
    if (!(await this.store.command(row, unpark(row.now, by)))) return false;
    await this.jobs.wake(stepJob(step!), { onboardingId: id }, stepJobId(step!, id, attempt + 1));
    return true;
  }
}
