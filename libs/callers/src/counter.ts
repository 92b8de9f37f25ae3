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

/**
 * Adds to a key, and has it expire from its first count on. The library's own script does the same with a command more, for
 * Redis before 7.
 */
const ADD = `
local count = redis.call('incrby', KEYS[1], ARGV[1])
local ttl = redis.call('pttl', KEYS[1])
if ttl < 0 then
  redis.call('expire', KEYS[1], ARGV[2])
  ttl = 1000 * ARGV[2]
end
return {count, ttl}`;

export interface CounterOptions {
  link: RedisLink;
  /** Of its keys. */
  prefix: string;
  policy: string;
  quota: number;
  /** How many a process takes from Redis at once, to give them out itself. */
  atOnce?: number;
}

/** What a process has taken from Redis for one key, and not given out yet. */
interface Share {
  left: number;
  /** What Redis has left beside it. */
  beside: number;
  /** When the window ends, on the monotonic clock. */
  endsAtMs: number;
}

/**
 * Counts in windows of a minute, in Redis for all processes. While Redis is away, hangs or refuses writes, each process
 * counts for itself: a limit is then as many times as high as there are processes, and no caller is shut out.
 */
export class Counter {
  readonly #limiter: RateLimiterRedis;
  readonly #own: RateLimiterMemory;
  readonly #shares = new Map<string, Share>();
  readonly #asked = new Map<string, Promise<Count>>();

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
      customIncrTtlLuaScript: ADD,
    });
  }

  /** Adds one. Never throws. @param key nothing that says who it is: Redis is no place for it. */
  async add(key: string): Promise<Count> {
    const { atOnce = 1 } = this.options;
    if (atOnce === 1) return this.#take(key, 1);
    for (;;) {
      const given = this.#give(key);
      if (given) return given;
      let asked = this.#asked.get(key);
      if (!asked) {
        asked = this.#fetch(key, atOnce).finally(() => this.#asked.delete(key));
        this.#asked.set(key, asked);
      }
      const count = await asked;
      if (count.over) return count;
    }
  }

  /** @returns one of this process's share; null if it has none. */
  #give(key: string): Count | null {
    const share = this.#shares.get(key);
    const resetMs = Math.ceil((share?.endsAtMs ?? 0) - performance.now());
    if (!share || share.left === 0 || resetMs <= 0) return null;
    share.left -= 1;
    const { policy, quota } = this.options;
    return { policy, quota, remaining: share.beside + share.left, resetMs, over: false };
  }

  async #fetch(key: string, atOnce: number): Promise<Count> {
    const count = await this.#take(key, atOnce);
    const now = performance.now();
    for (const [each, { endsAtMs }] of this.#shares) if (endsAtMs <= now) this.#shares.delete(each);
    if (!count.over) {
      this.#shares.set(key, { left: atOnce, beside: count.remaining, endsAtMs: now + count.resetMs });
    }
    return count;
  }

  async #take(key: string, points: number): Promise<Count> {
    // A Redis that is known to refuse is not asked: the question could take all the time that a request has.
    const limiter = this.options.link.accepts ? this.#limiter : this.#own;
    try {
      return this.#count(await limiter.consume(key, points), false);
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
