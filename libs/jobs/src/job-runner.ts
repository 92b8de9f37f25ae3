import {
  Inject,
  Injectable,
  Logger,
  type BeforeApplicationShutdown,
  type OnModuleDestroy,
} from '@nestjs/common';
import { DelayedError, UnrecoverableError, Worker, type Job } from 'bullmq';
import type { Redis } from 'ioredis';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import {
  EndedForGood,
  QUEUE_NAMES,
  TooEarly,
  type JobHandler,
  type JobOutcome,
  type QueueName,
} from './job-definition.js';
import { Queues } from './queues.js';
import { patientRedis } from './redis-connection.js';

/**
 * A schedule that is so late may be gone: Redis may have been flushed, and a minute later everything must go on.
 * Redis is asked then, which costs one command.
 */
const lostAfterMs = (everyMs: number) => Math.min(3 * everyMs, 10_000);
const LOOK_EVERY_MS = 5_000;

interface Scheduled {
  handler: JobHandler;
  everyMs: number;
  lastRunMs: number;
  running: Promise<void> | undefined;
}

/** Runs jobs: one BullMQ worker per queue, and the schedules, by itself while Redis is away. */
@Injectable()
export class JobRunner implements OnModuleDestroy, BeforeApplicationShutdown {
  readonly #logger = new Logger(JobRunner.name);
  readonly #workers: Worker[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #scheduled = new Map<string, Scheduled>();
  #redis: Redis | undefined;
  #closed: Promise<unknown> | undefined;

  constructor(
    private readonly queues: Queues,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws Error at boot when a job has two handlers, or a queue has none. */
  start(handlers: readonly JobHandler[]): void {
    const byQueue = group(handlers);
    this.#redis = patientRedis(this.config.REDIS_URL, () => !this.#closed);
    this.#redis.on('error', (error: Error) => this.#logger.warn(`Redis: ${error.message}`));
    for (const [queue, ofQueue] of byQueue) this.#workers.push(this.#work(queue, ofQueue, this.#redis));
    for (const handler of handlers) if (handler.everyMs) this.#schedule(handler, handler.everyMs);
  }

  /**
   * Takes no more jobs, and does not wait for the running ones: this comes before anybody's wait for what runs, which
   * would have no end while new jobs are taken.
   */
  onModuleDestroy(): void {
    this.#timers.forEach(clearInterval);
    // A worker whose Redis is away waits for it in order to close; the attempts that it runs are awaited by their runner.
    const away = this.#redis?.status !== 'ready';
    this.#closed = Promise.all(this.#workers.map((worker) => worker.close(away)));
  }

  /** Resolves when the running jobs have ended, or Redis is lost and cannot be told. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.#closed, ...[...this.#scheduled.values()].map(({ running }) => running)]);
    this.#redis?.disconnect();
  }

  #work(queue: QueueName, handlers: ReadonlyMap<string, JobHandler>, connection: Redis): Worker {
    const worker = new Worker(queue, (job, token) => this.#run(handlers, job, token), {
      connection,
      prefix: this.config.QUEUE_PREFIX,
      concurrency: this.config.WORKER_CONCURRENCY,
    });
    worker.on('error', (error) => this.#logger.warn(`worker of ${queue}: ${error.message}`));
    return worker;
  }

  async #run(handlers: ReadonlyMap<string, JobHandler>, job: Job, token?: string): Promise<JobOutcome> {
    const handler = handlers.get(job.name);
    if (!handler)
      throw new UnrecoverableError(`no handler for job "${job.name}": an older version added it?`);
    const scheduled = this.#scheduled.get(job.name);
    if (scheduled) scheduled.lastRunMs = this.clock.monotonicMs();
    try {
      return await handler.handle(handler.job.payload.parse(job.data));
    } catch (error) {
      if (error instanceof TooEarly) {
        await job.moveToDelayed(Date.now() + error.waitMs, token);
        throw new DelayedError();
      }
      if (error instanceof EndedForGood) throw new UnrecoverableError(error.message);
      throw error;
    }
  }

  #schedule(handler: JobHandler, everyMs: number): void {
    const entry: Scheduled = { handler, everyMs, lastRunMs: -Infinity, running: undefined };
    this.#scheduled.set(handler.job.name, entry);
    const keep = () => {
      entry.running ??= this.#keep(entry).finally(() => (entry.running = undefined));
    };
    keep();
    this.#timers.push(setInterval(keep, Math.min(everyMs, LOOK_EVERY_MS)));
  }

  /** Writes a schedule that Redis does not follow (any more), and does its work here while Redis does not answer. */
  async #keep(entry: Scheduled): Promise<void> {
    const { handler, everyMs } = entry;
    const sinceRunMs = this.clock.monotonicMs() - entry.lastRunMs;
    if (this.queues.isReady()) {
      if (sinceRunMs < lostAfterMs(everyMs) || (await this.#follow(entry))) return;
    }
    if (sinceRunMs < everyMs || handler.onlyAsJob) return;
    entry.lastRunMs = this.clock.monotonicMs();
    try {
      await handler.handle(handler.job.payload.parse({}));
    } catch (error) {
      this.#warn(entry, error);
    }
  }

  /** @returns whether Redis follows the schedule now. */
  async #follow(entry: Scheduled): Promise<boolean> {
    const { name, queue } = entry.handler.job;
    try {
      if (await this.#isFollowed(entry)) return true;
      await this.queues.get(queue).upsertJobScheduler(name, { every: entry.everyMs }, { name, data: {} });
      return true;
    } catch (error) {
      this.#warn(entry, error);
      return false;
    }
  }

  #warn({ handler }: Scheduled, error: unknown): void {
    this.#logger.warn(`schedule ${handler.job.name}: ${(error as Error).message}`);
  }

  /** Another worker may run the schedule's jobs: only Redis can say whether it is followed. */
  async #isFollowed({ handler, everyMs }: Scheduled): Promise<boolean> {
    const scheduler = await this.queues.get(handler.job.queue).getJobScheduler(handler.job.name);
    const overdueMs = Date.now() - (scheduler?.next ?? 0);
    return scheduler?.every === everyMs && overdueMs < lostAfterMs(everyMs);
  }
}

function group(handlers: readonly JobHandler[]): Map<QueueName, Map<string, JobHandler>> {
  const byQueue = new Map<QueueName, Map<string, JobHandler>>(QUEUE_NAMES.map((name) => [name, new Map()]));
  for (const handler of handlers) {
    const ofQueue = byQueue.get(handler.job.queue);
    if (!ofQueue) throw new Error(`there is no queue "${handler.job.queue}"`);
    if (ofQueue.has(handler.job.name)) throw new Error(`job "${handler.job.name}" has two handlers`);
    ofQueue.set(handler.job.name, handler);
  }
  for (const [queue, ofQueue] of byQueue) {
    if (ofQueue.size === 0) throw new Error(`queue "${queue}" has no handler`);
  }
  return byQueue;
}
