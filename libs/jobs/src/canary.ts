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
 * It leaves a key that lives for as long as the proof is good, so that no two clocks have to agree.
 */
@Injectable()
export class Canary {
  readonly #key: string;
  readonly #lateMs: number;
  /** Since when this process has seen no proof, on the monotonic clock; null while there is one, or none to expect. */
  #silentSince: number | null = null;
  /** Whether Redis ever took a write of this process, and since when it refuses them. */
  #wasAccepted = false;
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

  /** For a process that runs jobs: from now on it asks for a restart when no worker has run any for long. */
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
    if (await this.#sings()) return { status: 'up' };
    if (await this.#isPaused()) return { status: 'down', detail: `queue ${QUEUE} is paused` };
    return { status: 'down', detail: `no worker has run a job for ${Math.round(this.#lateMs / 1000)} s` };
  }

  #note(): void {
    const { accepts, trouble } = this.queues.link;
    this.#wasAccepted ||= accepts;
    if (trouble?.refused) this.#refusedSince ??= this.clock.monotonicMs();
    else this.#refusedSince = null;
  }

  #whyStuck(): Promise<string | null> | string | null {
    return this.#refusedSince === null ? this.#whySilent() : this.#whyRefused(this.#refusedSince);
  }

  /**
   * Asks for one restart, in case this process is at fault. The next process asks for none until it has seen Redis take a
   * write. A Redis that is away is no reason for a restart.
   */
  #whyRefused(since: number): string | null {
    this.#silentSince = null;
    const forMs = this.clock.monotonicMs() - since;
    if (!this.#wasAccepted || forMs <= this.#lateMs) return null;
    const { trouble } = this.queues.link;
    return `for ${Math.round(forMs / 1_000)} s Redis ${trouble?.words}; one restart may help, a second one will not`;
  }

  /**
   * Counts the time without a proof from when this process first missed it: a flushed Redis has lost the proof and the
   * schedule, and needs no restart. Nor would a restart resume a queue that an operator has paused.
   */
  async #whySilent(): Promise<string | null> {
    if (!this.queues.isReady() || (await this.#sings()) || (await this.#isPaused())) {
      this.#silentSince = null;
      return null;
    }
    const now = this.clock.monotonicMs();
    this.#silentSince ??= now;
    if (now - this.#silentSince <= this.#lateMs) return null;
    return `no worker has run a job for ${Math.round((now - this.#silentSince) / 1000)} s, although Redis is there`;
  }

  async #sings(): Promise<boolean> {
    return (await this.queues.redis.exists(this.#key)) === 1;
  }

  #isPaused(): Promise<boolean> {
    return this.queues.get(QUEUE).isPaused();
  }
}
