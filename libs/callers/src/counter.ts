import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RedisLink } from '#libs/jobs';

export const WINDOW_S = 60;

/** Where a count stands after one more was added. */
export interface Count {
  /** Name of the limit, for the headers. */
  policy: string;
  quota: number;
  remaining: number;
  /** Until the window ends and the count begins anew. */
  resetMs: number;
  /** Whether this one was too many. */
  over: boolean;
}

export interface CounterOptions {
  link: RedisLink;
  /** Of its keys. */
  prefix: string;
  policy: string;
  quota: number;
}

/**
 * Counts in windows of a minute, in Redis for all processes. While Redis is away, hangs or refuses writes, each process
 * counts for itself: a limit is then as many times as high as there are processes, and no caller is shut out.
 */
export class Counter {
  readonly #limiter: RateLimiterRedis;
  readonly #own: RateLimiterMemory;

  constructor(private readonly options: CounterOptions) {
    const { link, prefix, policy, quota: points } = options;
    const keyPrefix = `${prefix}:limit:${policy}`;
    this.#own = new RateLimiterMemory({ keyPrefix, points, duration: WINDOW_S });
    this.#limiter = new RateLimiterRedis({
      storeClient: link.redis,
      // Without it, ioredis would be asked for what it cannot do, and its error would come late.
      rejectIfRedisNotReady: true,
      keyPrefix,
      points,
      duration: WINDOW_S,
      insuranceLimiter: this.#own,
    });
  }

  /** Adds one. Never throws. @param key nothing that says who it is: Redis is no place for it. */
  async add(key: string): Promise<Count> {
    // A Redis that is known to refuse is not asked: the question could take all the time that a request has.
    const limiter = this.options.link.accepts ? this.#limiter : this.#own;
    try {
      return this.#count(await limiter.consume(key), false);
    } catch (refused) {
      // Anything but a count that is full is a fault of the limiter's own: better one request more than none at all.
      if (!(refused instanceof RateLimiterRes)) return this.#count(null, false);
      return this.#count(refused, true);
    }
  }

  #count(found: RateLimiterRes | null, over: boolean): Count {
    const { policy, quota } = this.options;
    const { remainingPoints: remaining = quota, msBeforeNext: resetMs = WINDOW_S * 1_000 } = found ?? {};
    return { policy, quota, remaining, resetMs, over };
  }
}
