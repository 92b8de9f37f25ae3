import { Inject, Injectable } from '@nestjs/common';
import { JobProducer, Queues } from '#libs/jobs';
import { CONFIG, type Config } from '#libs/platform';
import { stepJob, stepJobId } from '../attempt/step.job.js';
import type { StepName } from '../flow/table.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { NOT_WOKEN, WAKE } from '../store/statements/waiting.js';

/**
 * The sweeper skips tries that became due less than this time ago: their jobs will probably wake the steps.
 */
const GRACE_MS = 2_000;
const BATCH = 500;
/** How long a wake-up may take: long, because no request waits for it. */
const WAKE_MS = 2_000;

interface Due {
  id: string;
  step: StepName;
  attempt: number;
}

/** Wakes steps that no process works on, because their job was lost or their process is gone. */
@Injectable()
export class Sweeper {
  constructor(
    private readonly store: OnboardingStore,
    private readonly jobs: JobProducer,
    private readonly queues: Queues,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Ends immediately if Redis takes no jobs or the queue is paused. Otherwise, rows without a job would count
   * as woken, and would wait too long after the queue is resumed.
   *
   * @returns how many rows without a waiting job got a job.
   */
  async run(): Promise<{ woken: number; paused?: true }> {
    for (let woken = 0; ;) {
      if (!this.queues.isReady()) return { woken };
      if (await this.queues.get('steps').isPaused()) return { woken, paused: true };
      const rows = await this.store.run<Due>(WAKE, {
        graceMs: Math.min(GRACE_MS, this.config.SWEEP_EVERY_MS),
        againMs: this.config.WAKE_AGAIN_MS,
        limit: BATCH,
      });
      const { taken, queued } = await this.#queue(rows);
      woken += queued;
      if (taken < rows.length) {
        await this.store.run(NOT_WOKEN, { ids: rows.slice(taken).map(({ id }) => id) });
        return { woken };
      }
      if (rows.length < BATCH) return { woken };
    }
  }

  /**
   * Stops at the first job that Redis refuses.
   *
   * @returns `taken`: how many rows, counted from the first, have a job now.
   */
  async #queue(rows: Due[]): Promise<{ taken: number; queued: number }> {
    let queued = 0;
    for (const [index, { id, step, attempt }] of rows.entries()) {
      const jobId = stepJobId(step, id, attempt + 1);
      const woken = await this.jobs.wake(stepJob(step), { onboardingId: id }, jobId, WAKE_MS);
      if (woken === 'refused') return { taken: index, queued };
      if (woken === 'queued') queued += 1;
    }
    return { taken: rows.length, queued };
  }
}
