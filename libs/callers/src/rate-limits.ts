import { Inject, Injectable } from '@nestjs/common';
import { KeyedHash, CONFIG, type Config } from '#libs/platform';
import { Counter, type Count } from './counter.js';
import { LimitRedis } from './limit-redis.js';

const MOST_AT_ONCE = 100;

/** Limits the requests of a caller per minute, and the caller's commands about one subject. */
@Injectable()
export class RateLimits {
  readonly #callers: Counter;
  readonly #subjects: Counter;

  constructor(
    redis: LimitRedis,
    private readonly hash: KeyedHash,
    @Inject(CONFIG) config: Config,
  ) {
    const shared = { link: redis.link, prefix: config.QUEUE_PREFIX };
    const perCaller = config.RATE_LIMIT_CALLER_PER_MINUTE;
    // If a process gets no more requests of a caller, the unused share is at most a hundredth of the quota.
    const atOnce = Math.max(1, Math.min(MOST_AT_ONCE, Math.floor(perCaller / 100)));
    this.#callers = new Counter({ ...shared, policy: 'caller', quota: perCaller, atOnce });
    this.#subjects = new Counter({
      ...shared,
      policy: 'subject',
      quota: config.RATE_LIMIT_SUBJECT_PER_MINUTE,
    });
  }

  addRequest(caller: string): Promise<Count> {
    return this.#callers.add(this.#keyOf(caller));
  }

  /**
   * @param caller each caller has its own count, so a caller cannot use up another caller's quota.
   * @param subject the id of an onboarding, or the subject of a start.
   */
  addCommand(caller: string, subject: string): Promise<Count> {
    return this.#subjects.add(this.#keyOf(`${caller}\n${subject}`));
  }

  /** A subject may contain a mail address, and Redis must not store names of callers. */
  #keyOf(text: string): string {
    return this.hash.of('rate limit', text).toString('base64url');
  }
}
