import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { CLOCK, ProblemError, type Clock } from '#libs/kernel';
import { CONFIG, KeyedHash, type Config } from '#libs/platform';
import { Audit } from './audit.js';
import { networkOf } from './client-address.js';
import { Counter, WINDOW_S } from './counter.js';
import { LimitRedis } from './limit-redis.js';

/** Addresses that are remembered at once; a flood from more of them makes the oldest forgotten. */
const ADDRESSES = 10_000;
const BURST_MS = 60_000;

interface Burst {
  count: number;
  reason: string;
  timer: NodeJS.Timeout;
}

/**
 * Tokens that open nothing, by client address: too many, and nothing more of that address is looked at. They are
 * counted over all processes; that an address is shut out is known to those where it was seen to fail, so that
 * nobody who behaves pays a round trip for it.
 */
@Injectable()
export class FailedLogins implements OnApplicationShutdown {
  readonly #logger = new Logger(FailedLogins.name);
  readonly #counter: Counter;
  /** Until when, on the monotonic clock. */
  readonly #shutOut = new Map<string, number>();
  readonly #bursts = new Map<string, Burst>();

  constructor(
    redis: LimitRedis,
    private readonly hash: KeyedHash,
    private readonly audit: Audit,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.#counter = new Counter({
      redis: redis.client,
      prefix: config.QUEUE_PREFIX,
      policy: 'login',
      quota: config.LOGIN_FAILURES_PER_MINUTE,
    });
  }

  /** @throws ProblemError `rate_limited` before anything is looked up for the token. */
  refuseShutOut(address: string): void {
    const network = networkOf(address);
    const untilMs = this.#shutOut.get(network);
    if (untilMs === undefined) return;
    const leftMs = untilMs - this.clock.monotonicMs();
    if (leftMs > 0) throw this.#tooMany(leftMs);
    this.#shutOut.delete(network);
  }

  /** Counts one more. @throws ProblemError `rate_limited` where it was one too many. */
  async note(address: string, reason: string): Promise<void> {
    const network = networkOf(address);
    this.#auditBurst(network, reason);
    const key = this.hash.of('rate limit', network).toString('base64url');
    const { remaining, resetMs, over } = await this.#counter.add(key);
    if (remaining > 0) return;
    const [oldest] = this.#shutOut.keys();
    if (this.#shutOut.size >= ADDRESSES && oldest !== undefined) this.#shutOut.delete(oldest);
    this.#shutOut.set(network, this.clock.monotonicMs() + resetMs);
    if (over) throw this.#tooMany(resetMs);
  }

  async onApplicationShutdown(): Promise<void> {
    for (const [network, { timer }] of this.#bursts) {
      clearTimeout(timer);
      await this.#endBurst(network);
    }
  }

  /** The first of a burst is written at once, and how many there were when it is over: a flood fills no table. */
  #auditBurst(network: string, reason: string): void {
    const burst = this.#bursts.get(network);
    if (burst) {
      burst.count++;
      burst.reason = reason;
      return;
    }
    if (this.#bursts.size >= ADDRESSES) return;
    const timer = setTimeout(() => void this.#endBurst(network), BURST_MS).unref();
    this.#bursts.set(network, { count: 1, reason, timer });
    void this.#record(network, { count: 1, reason });
  }

  async #endBurst(network: string): Promise<void> {
    const burst = this.#bursts.get(network);
    this.#bursts.delete(network);
    if (!burst || burst.count === 1) return;
    await this.#record(network, { count: burst.count, reason: burst.reason, withinMs: BURST_MS });
  }

  async #record(address: string, data: Record<string, unknown>): Promise<void> {
    try {
      await this.audit.record({ actor: 'nobody', action: 'login_refused', target: null, address, data });
    } catch (error) {
      this.#logger.warn(`a refused login of ${address} was not audited: ${(error as Error).message}`);
    }
  }

  #tooMany(leftMs: number): ProblemError {
    const quota = this.config.LOGIN_FAILURES_PER_MINUTE;
    return new ProblemError('rate_limited', {
      detail: 'Too many tokens from this address were not valid.',
      retryAfterS: Math.max(1, Math.ceil(leftMs / 1_000)),
      rateLimit: { policy: 'login', quota, windowS: WINDOW_S },
    });
  }
}
