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

/** If Redis takes longer, the process uses its own count. */
const REDIS_TIMEOUT_MS = 150;
/** All networks together have this many times one network's limit, so that one cannot lock out the others. */
const NETWORKS = 10;

const ALL = 'all';

type Limiter = Pick<RLWrapperTimeouts, 'consume' | 'reward'>;

/**
 * Limits wrong emergency passwords, for each network and for all networks together. A try is counted before
 * the password is checked, so that parallel tries count too.
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
      return () => (this.queues.isReady() ? shared : own);
    };
    this.#perNetwork = limiter('network', OPS_LOGIN_TRIES);
    this.#together = limiter('all', OPS_LOGIN_TRIES * NETWORKS);
  }

  /** Counts a try. @throws ProblemError `rate_limited`, with the seconds until the next try is allowed. */
  async take(address: string): Promise<void> {
    // A network above its own limit must not use up the tries of all networks.
    await consumed(this.#perNetwork(), this.#keyOf(address));
    await consumed(this.#together(), ALL);
  }

  /** For a successful login. */
  async giveBack(address: string): Promise<void> {
    await Promise.allSettled([this.#perNetwork().reward(this.#keyOf(address)), this.#together().reward(ALL)]);
  }

  #keyOf(address: string): string {
    return this.hash.digest('login throttle', networkOf(address)).toString('base64url');
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
