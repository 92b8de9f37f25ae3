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
import { CONFIG, KeyedHash, type ConsoleConfig } from '#libs/platform';

/** The longest time that a login waits for Redis. Then the process uses its own count. */
const REDIS_TIMEOUT_MS = 150;
/** The limit of all networks together, as a multiple of one's: one alone cannot lock out others. */
const NETWORKS = 10;

/** The key of the count over all networks. */
const ALL = 'all';

type Limiter = Pick<RLWrapperTimeouts, 'consume' | 'reward'>;

/**
 * Counts wrong emergency passwords per network, over all processes. It counts a try before the check, so that
 * parallel tries count too, and takes it back if the login succeeds.
 */
@Injectable()
export class LoginThrottle {
  readonly #perNetwork: () => Limiter;
  readonly #together: () => Limiter;

  constructor(
    private readonly queues: Queues,
    private readonly hash: KeyedHash,
    @Inject(CONFIG) { QUEUE_PREFIX, OPS_LOGIN_TRIES, OPS_LOGIN_WINDOW_MS }: ConsoleConfig,
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
    this.#perNetwork = limiter('network', OPS_LOGIN_TRIES);
    this.#together = limiter('all', OPS_LOGIN_TRIES * NETWORKS);
  }

  /** @throws ProblemError `rate_limited` with the seconds until the next try is allowed. */
  async take(address: string): Promise<void> {
    // The network is checked first. A network over its limit must not use up the tries of all.
    await consumed(this.#perNetwork(), this.#keyOf(address));
    await consumed(this.#together(), ALL);
  }

  /** Takes back the try of a login that succeeded. Failed tries of others stay counted. */
  async giveBack(address: string): Promise<void> {
    await Promise.allSettled([this.#perNetwork().reward(this.#keyOf(address)), this.#together().reward(ALL)]);
  }

  #keyOf(address: string): string {
    return this.hash.of('login throttle', networkOf(address)).toString('base64url');
  }
}

async function consumed(limiter: Limiter, key: string): Promise<void> {
  try {
    await limiter.consume(key);
  } catch (reason) {
    throw new ProblemError('rate_limited', {
      detail: 'Too many failed logins. Wait a few minutes.',
      retryAfterS: waitOf(reason),
      limit: 'console_login',
    });
  }
}

function waitOf(reason: unknown): number {
  if (reason instanceof RateLimiterRes) return Math.max(1, Math.ceil(reason.msBeforeNext / 1_000));
  throw reason;
}
