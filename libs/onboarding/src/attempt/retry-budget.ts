import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Queues } from '#libs/jobs';
import { CONFIG, Log, type Config } from '#libs/platform';

const WINDOW_MS = 10_000;
const REPORT_EVERY_MS = 1_000;

/**
 * Books the next free time, and returns it. KEYS[1]: the time until which all times are booked. ARGV, in
 * milliseconds: the earliest time, the distance between two times, and now.
 */
const BOOK = `
local at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), tonumber(ARGV[1]))
local after = string.format('%.3f', at + tonumber(ARGV[2]))
redis.call('SET', KEYS[1], after, 'PX', math.ceil(tonumber(after) - tonumber(ARGV[3])))
return string.format('%.3f', at)`;

/**
 * Keeps retries from doubling the load on a provider that fails for all callers. In ten seconds, an
 * integration may have a fixed number of retries, plus a share of its first tries. Each further retry gets
 * its own time in a later window.
 *
 * All replicas share the count in Redis. They report first tries once a second, so that no request waits for
 * Redis. While Redis is away, no job runs, so no retry can exceed the budget.
 */
@Injectable()
export class RetryBudget implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #logger = new Log('RetryBudget');
  readonly #firstTries = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly queues: Queues,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.#report(), REPORT_EVERY_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.#timer);
    await this.#report();
  }

  firstTry(integration: string): void {
    this.#firstTries.set(integration, (this.#firstTries.get(integration) ?? 0) + 1);
  }

  /** @returns 0 if the retry may start now, otherwise the milliseconds until it may ask again. */
  async take(integration: string): Promise<number> {
    if (!this.queues.isReady()) return 0;
    const now = Date.now();
    const window = Math.floor(now / WINDOW_MS);
    try {
      const results = await this.queues.redis
        .pipeline()
        .incr(this.#key('retries', integration, window))
        .pexpire(this.#key('retries', integration, window), 2 * WINDOW_MS)
        .get(this.#key('first-tries', integration, window))
        .exec();
      const retries = Number(results?.[0]?.[1] ?? 0);
      const firstTries = Number(results?.[2]?.[1] ?? 0);
      const allowed = this.config.RETRY_BUDGET_BURST + (this.config.RETRY_BUDGET_PERCENT / 100) * firstTries;
      if (retries <= allowed) return 0;
      const nextWindow = (window + 1) * WINDOW_MS;
      const key = this.#key('booked', integration);
      const at = await this.queues.redis.eval(BOOK, 1, key, nextWindow, WINDOW_MS / allowed, now);
      return Math.max(1, Math.ceil(Number(at) - now));
    } catch (error) {
      this.#logger.warn({ integration }, `the retry budget could not be read: ${(error as Error).message}`);
      return 0;
    }
  }

  async #report(): Promise<void> {
    if (this.#firstTries.size === 0 || !this.queues.isReady()) return;
    const window = Math.floor(Date.now() / WINDOW_MS);
    const counted = [...this.#firstTries];
    this.#firstTries.clear();
    const pipeline = this.queues.redis.pipeline();
    for (const [integration, count] of counted) {
      const key = this.#key('first-tries', integration, window);
      pipeline.incrby(key, count).pexpire(key, 2 * WINDOW_MS);
    }
    await pipeline.exec().catch(() => undefined); // an error loses the count of one second
  }

  #key(what: string, integration: string, window?: number): string {
    const key = `${this.config.QUEUE_PREFIX}:retry-budget:${what}:${integration}`;
    return window === undefined ? key : `${key}:${window}`;
  }
}
