import { Inject, Injectable } from '@nestjs/common';
import { z } from 'zod';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, Health, type Config, type Finding } from '#libs/platform';
import type { JobHandler } from './job-definition.js';
import { Queues } from './queues.js';

const QUEUE = 'upkeep';
/** This many canary jobs may be late before the check reports it: one may be lost with its worker. */
const LATE = 4;

/**
 * A job that only proves that jobs run, from the schedule in Redis to a worker's handler. It sets a key in
 * Redis that expires when the proof is too old, so that no clocks are compared.
 */
@Injectable()
export class Canary {
  readonly #key: string;
  readonly #lateMs: number;
  /**
   * Since when this process misses the proof, on the monotonic clock; null while there is a proof or none is
   * due.
   */
  #silentSince: number | null = null;
  /** Whether Redis ever took a write of this process. */
  #wasAccepted = false;
  /** Since when Redis refuses writes, on the monotonic clock. */
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

  /** For a process that runs jobs: it asks for a restart from now on if no worker runs a job for long. */
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
   * Asks for one restart, in case this process is at fault. After the restart, the process does not ask again
   * until Redis has taken one of its writes. An unreachable Redis is no reason for a restart.
   */
  #whyRefused(since: number): string | null {
    this.#silentSince = null;
    const forMs = this.clock.monotonicMs() - since;
    if (!this.#wasAccepted || forMs <= this.#lateMs) return null;
    const { trouble } = this.queues.link;
    const refusal = `for ${Math.round(forMs / 1_000)} s Redis ${trouble?.words}`;
    return `${refusal}; one restart may help, a second one will not`;
  }

  /**
   * Counts from when this process first missed the proof: a flushed Redis has lost proof and schedule, and
   * needs no restart. A restart would not resume a queue that an operator has paused either.
   */
  async #whySilent(): Promise<string | null> {
    if (!this.queues.isReady() || (await this.#sings()) || (await this.#isPaused())) {
      this.#silentSince = null;
      return null;
    }
    const now = this.clock.monotonicMs();
    this.#silentSince ??= now;
    if (now - this.#silentSince <= this.#lateMs) return null;
    const silentS = Math.round((now - this.#silentSince) / 1000);
    return `no worker has run a job for ${silentS} s, although Redis is there`;
  }

  async #sings(): Promise<boolean> {
    return (await this.queues.redis.exists(this.#key)) === 1;
  }

  #isPaused(): Promise<boolean> {
    return this.queues.get(QUEUE).isPaused();
  }
}
