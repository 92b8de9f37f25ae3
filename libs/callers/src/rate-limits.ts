import { Inject, Injectable } from '@nestjs/common';
import { KeyedHash, CONFIG, type Config } from '#libs/platform';
import { Counter, type Count } from './counter.js';
import { LimitRedis } from './limit-redis.js';

const MOST_AT_ONCE = 100;
/** Other processes cannot use the requests that a process reserves. */
const reserved = (quota: number, part: number) =>
  Math.max(1, Math.min(MOST_AT_ONCE, Math.floor(quota * part)));

/** Limits a caller's requests per minute, and its commands about one subject. */
@Injectable()
export class RateLimits {
  readonly #callers: Counter;
  readonly #subjects: Counter;

  constructor(redis: LimitRedis, hash: KeyedHash, @Inject(CONFIG) config: Config) {
    const shared = { link: redis.link, hash, prefix: config.QUEUE_PREFIX };
    const perCaller = config.RATE_LIMIT_CALLER_PER_MINUTE;
    const perSubject = config.RATE_LIMIT_SUBJECT_PER_MINUTE;
    this.#callers = new Counter({
      ...shared,
      policy: 'caller',
      quota: perCaller,
      atOnce: reserved(perCaller, 1 / 100),
    });
    // After its start, an onboarding needs three commands. By default, the first reservation covers them.
    this.#subjects = new Counter({
      ...shared,
      policy: 'subject',
      quota: perSubject,
      atOnce: reserved(perSubject, 1 / 15),
    });
  }

  addRequest(caller: string): Promise<Count> {
    return this.#callers.add(caller);
  }

  /**
   * @param caller has its own count, so it cannot use up another caller's quota
   * @param subject the id of an onboarding, or the subject of a start
   */
  addCommand(caller: string, subject: string): Promise<Count> {
    return this.#subjects.add(`${caller}\n${subject}`);
  }
}
