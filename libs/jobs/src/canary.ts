import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, Health, type Config, type Finding } from '#libs/platform';
import type { JobHandler } from './job-definition.js';
import { Queues } from './queues.js';

const QUEUE = 'upkeep';
/** The check allows this number of missing canary jobs. A worker that dies may lose one. */
const LATE = 4;

/**
 * A scheduled job that proves that jobs run. It sets a key in Redis, which expires if no further canary job
 * runs, so the clocks of the machines do not matter.
 */
@Injectable()
export class Canary {
  readonly #key: string;
  readonly #lateMs: number;
  /**
   * When this process first missed the canary's key, on the monotonic clock. Null while the key exists, the
   * queue is paused, or Redis is away.
   */
  #missedSince: number | null = null;
  #wasAccepted = false;
  /** On the monotonic clock; null if Redis does not refuse writes. */
  #refusedSince: number | null = null;

  constructor(
    private readonly queues: Queues,
    private readonly health: Health,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.#key = `${config.QUEUE_PREFIX}:canary`;
    this.#lateMs = LATE * config.CANARY_EVERY_MS;
    health.register({ name: 'worker', vital: false, check: () => queues.unlessAway(() => this.#check()) });
    queues.link.onChange(() => this.#note());
  }

  /** After this call, this process asks for a restart if no worker runs the canary for some time. */
  handler(): JobHandler {
    this.health.registerLiveness(async () => this.#whyStuck());
    return {
      job: { queue: QUEUE, name: 'canary', payload: z.object({}) },
      everyMs: this.config.CANARY_EVERY_MS,
      onlyAsJob: true,
      handle: async () => {
        await this.queues.redis.set(this.#key, 1, 'PX', this.#lateMs);
        return {};
      },
    };
  }

  async #check(): Promise<Finding> {
    if (await this.#keyExists()) return { status: 'up' };
    if (await this.#isPaused()) return { status: 'down', detail: `queue ${QUEUE} is paused` };
    const lateS = Math.round(this.#lateMs / 1000);
    return { status: 'down', detail: `no worker has run a job for more than ${lateS} s` };
  }

  #note(): void {
    const { accepts, trouble } = this.queues.link;
    this.#wasAccepted ||= accepts;
    if (trouble?.refused) this.#refusedSince ??= this.clock.monotonicMs();
    else this.#refusedSince = null;
  }

  #whyStuck(): Promise<string | null> | string | null {
    return this.#refusedSince === null ? this.#whyMissed() : this.#whyRefused(this.#refusedSince);
  }

  /**
   * Asks for one restart, because the cause may be in this process. The restarted process asks again only
   * after Redis has accepted a write.
   */
  #whyRefused(since: number): string | null {
    this.#missedSince = null;
    const forMs = this.clock.monotonicMs() - since;
    if (!this.#wasAccepted || forMs <= this.#lateMs) return null;
    const { trouble } = this.queues.link;
    const refusal = `for ${Math.round(forMs / 1_000)} s Redis ${trouble?.words}`;
    return `${refusal}; one restart may help, a second one will not`;
  }

  /** Neither a flush of Redis (which deletes the key and the schedule) nor a paused queue needs a restart. */
  async #whyMissed(): Promise<string | null> {
    if (!this.queues.isReady() || (await this.#keyExists()) || (await this.#isPaused())) {
      this.#missedSince = null;
      return null;
    }
    const now = this.clock.monotonicMs();
    this.#missedSince ??= now;
    if (now - this.#missedSince <= this.#lateMs) return null;
    const missedS = Math.round((now - this.#missedSince) / 1000);
    return `no worker has run a job for ${missedS} s, although Redis is there`;
  }

  async #keyExists(): Promise<boolean> {
    return (await this.queues.redis.exists(this.#key)) === 1;
  }

  #isPaused(): Promise<boolean> {
    return this.queues.get(QUEUE).isPaused();
  }
}
