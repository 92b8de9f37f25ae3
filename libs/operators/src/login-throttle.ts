import { Inject, Injectable } from '@nestjs/common';
import {
  RLWrapperTimeouts,
  RateLimiterMemory,
  RateLimiterRedis,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import { networkOf } from '#libs/callers';
import { Queues } from '#libs/jobs';
import { ProblemError } from '#libs/kernel';
import { CONFIG, KeyedHash, type Config } from '#libs/platform';

/** The longest time that a login waits for Redis. Then the process uses its own count. */
const REDIS_TIMEOUT_MS = 150;
/** An address may have more tries than an account, because an office may share one address. */
const TRIES_PER_ADDRESS = 3;

type Limiter = Pick<RLWrapperTimeouts, 'consume' | 'reward'>;

/**
 * Counts tries per account and per address, over all processes. It counts a try before the password is
 * checked, so that parallel tries count too, and takes it back if the password is right. It locks an account
 * for one window at most.
 */
@Injectable()
export class LoginThrottle {
  readonly #perAccount: () => Limiter;
  readonly #perAddress: () => Limiter;

  constructor(
    private readonly queues: Queues,
    private readonly hash: KeyedHash,
    @Inject(CONFIG) { QUEUE_PREFIX, OPS_LOGIN_TRIES, OPS_LOGIN_WINDOW_MS }: Config,
  ) {
    const duration = Math.ceil(OPS_LOGIN_WINDOW_MS / 1_000);
    const limiter = (name: string, points: number) => {
      const options = { keyPrefix: `${QUEUE_PREFIX}:login:${name}`, points, duration };
      const own = new RateLimiterMemory(options);
      const shared = new RLWrapperTimeouts({
        limiter: new RateLimiterRedis({ ...options, storeClient: queues.redis, rejectIfRedisNotReady: true }),
        timeoutMs: REDIS_TIMEOUT_MS,
        insuranceLimiter: own,
      });
      // If Redis refuses writes, no command is sent.
      return () => (this.queues.isReady() ? shared : own);
    };
    this.#perAccount = limiter('account', OPS_LOGIN_TRIES);
    this.#perAddress = limiter('address', OPS_LOGIN_TRIES * TRIES_PER_ADDRESS);
  }

  /** @throws ProblemError `rate_limited` with the seconds until the next try is allowed. */
  async take(name: string, address: string): Promise<void> {
    // The address is checked first. An address over its limit must not use up the tries of accounts.
    await consumed(this.#perAddress(), this.#keyOf(networkOf(address)));
    await consumed(this.#perAccount(), this.#keyOf(name));
  }

  /** Takes back a try with a right password. Wrong tries by others stay counted. */
  async giveBack(name: string, address: string): Promise<void> {
    await Promise.allSettled([
      this.#perAccount().reward(this.#keyOf(name)),
      this.#perAddress().reward(this.#keyOf(networkOf(address))),
    ]);
  }

  /** Hashes the name: a user may type a password as name, and Redis must not store passwords. */
  #keyOf(text: string): string {
    return this.hash.of('login throttle', text).toString('base64url');
  }
}

async function consumed(limiter: Limiter, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (reason) {
    throw new ProblemError('rate_limited', {
      detail: 'Too many tries with a wrong password.',
      retryAfterS: waitOf(reason),
    });
  }
}

function waitOf(reason: unknown): number {
  if (reason instanceof RateLimiterRes) return Math.max(1, Math.ceil(reason.msBeforeNext / 1_000));
  throw reason;
}
