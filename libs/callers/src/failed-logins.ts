import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, ProblemError, type Clock } from '#libs/kernel';
import { CONFIG, KeyedHash, type Config } from '#libs/platform';
import { networkOf } from './client-address.js';
import { Counter, WINDOW_S } from './counter.js';
import { LimitRedis } from './limit-redis.js';
import { RefusedLogins } from './refused-logins.js';

/** A new address replaces the oldest one. */
const ADDRESSES = 10_000;

/**
 * Counts invalid tokens per client address, over all processes. After too many, tokens from that address are
 * not checked. A process blocks only addresses whose invalid tokens it has seen, so it need not ask Redis
 * about other clients.
 */
@Injectable()
export class FailedLogins {
  readonly #counter: Counter;
  /** On the monotonic clock. */
  readonly #blockedUntilMs = new Map<string, number>();

  constructor(
    redis: LimitRedis,
    hash: KeyedHash,
    private readonly refused: RefusedLogins,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.#counter = new Counter({
      link: redis.link,
      hash,
      prefix: config.QUEUE_PREFIX,
      policy: 'login',
      quota: config.LOGIN_FAILURES_PER_MINUTE,
    });
  }

  /** @throws ProblemError `rate_limited` */
  refuseIfBlocked(address: string): void {
    const network = networkOf(address);
    const untilMs = this.#blockedUntilMs.get(network);
    if (untilMs === undefined) return;
    const leftMs = untilMs - this.clock.monotonicMs();
    if (leftMs > 0) throw this.#tooMany(leftMs);
    this.#blockedUntilMs.delete(network);
  }

  /** @throws ProblemError `rate_limited` if the count exceeds the quota */
  async note(address: string, reason: string): Promise<void> {
    const network = networkOf(address);
    this.refused.note(network, reason);
    const { remaining, resetMs, over } = await this.#counter.add(network);
    if (remaining > 0) return;
    const [oldest] = this.#blockedUntilMs.keys();
    if (this.#blockedUntilMs.size >= ADDRESSES && oldest !== undefined) this.#blockedUntilMs.delete(oldest);
    this.#blockedUntilMs.set(network, this.clock.monotonicMs() + resetMs);
    if (over) throw this.#tooMany(resetMs);
  }

  #tooMany(leftMs: number): ProblemError {
    const quota = this.config.LOGIN_FAILURES_PER_MINUTE;
    return new ProblemError('rate_limited', {
      detail: 'This address sent too many invalid tokens. Wait as long as Retry-After says.',
      retryAfterS: Math.max(1, Math.ceil(leftMs / 1_000)),
      rateLimit: { policy: 'login', quota, windowS: WINDOW_S },
      limit: 'login_failures',
    });
  }
}
