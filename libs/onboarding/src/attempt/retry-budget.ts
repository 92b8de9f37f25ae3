import {
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { Queues } from '#libs/jobs';
import { RANDOM, type Random } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';

const WINDOW_MS = 10_000;
const REPORT_EVERY_MS = 1_000;

/**
 * Keeps retries from doubling the load on a provider that fails for all callers. In each window of ten
 * seconds, it allows each integration a burst of retries plus a share of the first tries. Retries over the
 * budget are spread over later windows, so that they do not all run at the same time.
 *
 * All replicas share the count in Redis. They report first tries there once a second, so that no request
 * waits for Redis. Without Redis, no job runs that could exceed the budget.
 */
@Injectable()
export class RetryBudget implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #logger = new Logger(RetryBudget.name);
  readonly #firstTries = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly queues: Queues,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(RANDOM) private readonly random: Random,
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

  /** @returns 0 if the retry may start now, else whole milliseconds until the retry may ask again. */
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
      const windowsLater = Math.ceil((retries - allowed) / allowed);
      return Math.ceil((window + windowsLater + this.random.next()) * WINDOW_MS - now);
    } catch (error) {
      this.#logger.warn(`the retry budget could not be read: ${(error as Error).message}`);
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
    await pipeline.exec().catch(() => undefined); // loses one second's count: the burst still allows retries
  }

  #key(what: string, integration: string, window: number): string {
    return `${this.config.QUEUE_PREFIX}:retry-budget:${what}:${integration}:${window}`;
  }
}
