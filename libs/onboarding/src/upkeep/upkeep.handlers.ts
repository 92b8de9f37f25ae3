import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { z } from 'zod';
import type { JobDefinition, JobHandler, JobOutcome } from '#libs/jobs';
import { CONFIG, type Config } from '#libs/platform';
import { Timelines } from './timelines.js';
import { Expiry } from './expire.js';
import { FunnelCount } from './funnel-count.js';
import { Probe } from './probe.js';
import { Reseal } from './reseal.js';
import { Retention } from './retain.js';
import { Sweeper } from './sweep.js';

const nothing = z.object({});
type Nothing = z.infer<typeof nothing>;

const scheduled = (queue: JobDefinition<Nothing>['queue'], name: string): JobDefinition<Nothing> => ({
  queue,
  name,
  payload: nothing,
});

/**
 * Skips a run while this process still runs an earlier one. Two runs at once would undo the pauses between
 * the batches of a run, which spare PostgreSQL.
 */
function oneAtATime(work: () => Promise<JobOutcome>): () => Promise<JobOutcome> {
  let isWorking = false;
  return async () => {
    if (isWorking) return { skipped: 'an earlier run of this process is still running' };
    isWorking = true;
    try {
      return await work();
    } finally {
      isWorking = false;
    }
  };
}

@Injectable()
export class UpkeepHandlers implements OnModuleDestroy {
  readonly #stop = new AbortController();

  constructor(
    private readonly expiry: Expiry,
    private readonly sweeper: Sweeper,
    private readonly probe: Probe,
    private readonly retention: Retention,
    private readonly reseal: Reseal,
    private readonly timelines: Timelines,
    private readonly funnel: FunnelCount,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Stops the jobs `retention` and `anchor` after their current batch. */
  onModuleDestroy(): void {
    this.#stop.abort();
  }

  handlers(): JobHandler<Nothing>[] {
    const stop = this.#stop.signal;
    const { EXPIRY_EVERY_MS, SWEEP_EVERY_MS, PROBE_EVERY_MS } = this.config;
    const { RESEAL_EVERY_MS, ANCHOR_EVERY_MS, RETENTION_EVERY_MS, FUNNEL_EVERY_MS } = this.config;
    return [
      {
        job: scheduled('expiry', 'expire'),
        everyMs: EXPIRY_EVERY_MS,
        handle: async () => ({ ...(await this.expiry.run()) }),
      },
      {
        job: scheduled('upkeep', 'sweep'),
        everyMs: SWEEP_EVERY_MS,
        handle: async () => ({ ...(await this.sweeper.run()) }),
      },
      { job: scheduled('upkeep', 'probe'), everyMs: PROBE_EVERY_MS, handle: () => this.probe.run() },
      {
        job: scheduled('upkeep', 'retention'),
        everyMs: RETENTION_EVERY_MS,
        handle: oneAtATime(() => this.retention.run(stop)),
      },
      {
        job: scheduled('upkeep', 'reseal'),
        everyMs: RESEAL_EVERY_MS,
        handle: async () => ({ ...(await this.reseal.run()) }),
      },
      {
        job: scheduled('upkeep', 'anchor'),
        everyMs: ANCHOR_EVERY_MS,
        handle: oneAtATime(async () => ({ ...(await this.timelines.anchor(stop)) })),
      },
      {
        job: scheduled('upkeep', 'funnel'),
        everyMs: FUNNEL_EVERY_MS,
        onlyAsJob: true,
        handle: async () => ({ ...(await this.funnel.run()) }),
      },
    ];
  }
}
