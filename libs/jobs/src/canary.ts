import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, Health, type Config, type Finding } from '#libs/platform';
import type { JobHandler } from './job-definition.js';
import { Queues } from './queues.js';

const QUEUE = 'upkeep';
/** So many canary jobs may be late before it is said that none are run: one may have been lost with its worker. */
const LATE = 4;

/**
 * A job that does nothing but prove that jobs are run, all the way from the schedule in Redis to a worker's handler.
 * Every process can see when that was last; a worker that takes no jobs although Redis is there wants a restart.
 */
@Injectable()
export class Canary {
  readonly #key: string;
  readonly #lateMs: number;
  /** From when on jobs could have been run, on the monotonic clock: the boot, or Redis coming back. */
  #possibleSince: number;

  constructor(
    private readonly queues: Queues,
    private readonly health: Health,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.#key = `${config.QUEUE_PREFIX}:canary`;
    this.#lateMs = LATE * config.CANARY_EVERY_MS;
    this.#possibleSince = clock.monotonicMs();
    queues.redis.on('ready', () => (this.#possibleSince = clock.monotonicMs()));
    health.register({ name: 'worker', vital: false, check: () => this.#check() });
  }

  /** For a process that runs jobs: from now on it is alive only if it, or another like it, does run them. */
  handler(): JobHandler {
    this.health.registerLife(() => this.#isStuck());
    return {
      job: { queue: QUEUE, name: 'canary', payload: z.object({}) },
      everyMs: this.config.CANARY_EVERY_MS,
      handle: async () => {
        // Where Redis is away the schedule's work is done without it, and would prove nothing.
        if (this.queues.isReady()) await this.queues.redis.set(this.#key, this.clock.nowMs());
        return {};
      },
    };
  }

  async #check(): Promise<Finding> {
    const ageMs = await this.#ageMs();
    if (ageMs !== null && ageMs <= this.#lateMs) return { status: 'up' };
    if (await this.queues.get(QUEUE).isPaused()) {
      return { status: 'down', detail: `queue ${QUEUE} is paused` };
    }
    const since = ageMs === null ? 'yet' : `for ${Math.round(ageMs / 1000)} s`;
    return { status: 'down', detail: `no worker has run a job ${since}` };
  }

  /** A queue that somebody has paused is no fault of the worker's, and nor is a Redis that is away. */
  async #isStuck(): Promise<string | null> {
    const possibleMs = this.clock.monotonicMs() - this.#possibleSince;
    if (!this.queues.isReady() || possibleMs <= this.#lateMs) return null;
    const { status, detail } = await this.#check();
    return status === 'up' || (await this.queues.get(QUEUE).isPaused()) ? null : detail!;
  }

  async #ageMs(): Promise<number | null> {
    const at = await this.queues.redis.get(this.#key);
    return at === null ? null : this.clock.nowMs() - Number(at);
  }
}
