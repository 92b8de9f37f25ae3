import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { RedisLink } from '#libs/jobs';
import type { KeyedHash } from '#libs/platform';

export const WINDOW_S = 60;

export interface Count {
  /** The limit's name in the headers. */
  policy: string;
  quota: number;
  remaining: number;
  /** The time until the window ends. */
  resetMs: number;
  over: boolean;
}

/**
 * A count expires one window after its first request. Replaces the script of rate-limiter-flexible for Redis
 * before 7, which runs one more command.
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
  /** Redis stores only the hash of a name, because a name identifies a caller, a user or a network. */
  hash: KeyedHash;
  prefix: string;
  policy: string;
  quota: number;
  /** How many requests a process reserves in Redis at a time, and then counts without Redis. */
  atOnce?: number;
}

/** One name's requests that the process has reserved and not used yet. */
interface Share {
  left: number;
  /** Requests that Redis allows in addition to this share. */
  remainingInRedis: number;
  /** On the monotonic clock. */
  endsAtMs: number;
  /** Reserved requests that Redis has not counted yet. */
  notInRedis: number;
}

/**
 * Counts in windows of a minute, in Redis for all processes. During an outage of Redis, each process counts
 * its own requests.
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
      // Otherwise commands would wait in ioredis and fail late.
      rejectIfRedisNotReady: true,
      keyPrefix,
      points,
      duration: WINDOW_S,
      insuranceLimiter: this.#own,
      customIncrTtlLuaScript: ADD,
    });
  }

  /**
   * Never throws. If the process reserves several requests at a time, it makes the first reservation for a
   * name without Redis, because most names have few requests. The next reservation counts both in Redis.
   *
   * @param name what is counted, e.g. a caller
   */
  async add(name: string): Promise<Count> {
    const { atOnce = 1 } = this.options;
    if (atOnce === 1) return this.#take(name, 1);
    for (;;) {
      const share = this.#shareOf(name, atOnce);
      if (share.left > 0) return this.#use(share);
      let asked = this.#asked.get(name);
      if (!asked) {
        asked = this.#reserve(name, share, atOnce).finally(() => this.#asked.delete(name));
        this.#asked.set(name, asked);
      }
      const count = await asked;
      if (count.over) return count;
    }
  }

  #shareOf(name: string, atOnce: number): Share {
    const now = performance.now();
    const share = this.#shares.get(name);
    if (share && share.endsAtMs > now) return share;
    const remainingInRedis = this.options.quota - atOnce;
    return this.#keep(name, {
      left: atOnce,
      remainingInRedis,
      endsAtMs: now + WINDOW_S * 1_000,
      notInRedis: atOnce,
    });
  }

  #keep(name: string, share: Share): Share {
    this.#shares.delete(name);
    // Deletes expired reservations up to the first live one. A later call deletes expired ones behind it.
    for (const [each, { endsAtMs }] of this.#shares) {
      if (endsAtMs > performance.now()) break;
      this.#shares.delete(each);
    }
    this.#shares.set(name, share);
    return share;
  }

  #use(share: Share): Count {
    share.left -= 1;
    const { policy, quota } = this.options;
    const resetMs = Math.ceil(share.endsAtMs - performance.now());
    return { policy, quota, remaining: share.remainingInRedis + share.left, resetMs, over: false };
  }

  async #reserve(name: string, { notInRedis }: Share, atOnce: number): Promise<Count> {
    const count = await this.#take(name, notInRedis + atOnce);
    this.#keep(name, {
      left: count.over ? 0 : atOnce,
      remainingInRedis: count.remaining,
      endsAtMs: performance.now() + count.resetMs,
      notInRedis: 0,
    });
    return count;
  }

  async #take(name: string, points: number): Promise<Count> {
    const { link, hash } = this.options;
    const key = hash.digest('rate limit', name).toString('base64url');
    // While Redis does not accept writes, a command to it could take too long.
    const limiter = link.accepts ? this.#limiter : this.#own;
    if (link.accepts) link.sendTogether();
    try {
      return this.#count(await limiter.consume(key, points), false);
    } catch (refused) {
      // The limiter failed. One request too many is better than a refused one.
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
