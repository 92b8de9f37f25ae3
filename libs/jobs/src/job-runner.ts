import { Inject, Injectable, type BeforeApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import { DelayedError, UnrecoverableError, Worker, type Job } from 'bullmq';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, Log, Metrics, currentJob, type Config } from '#libs/platform';
import { BoundedLog } from './bounded-log.js';
import {
  EndedBadly,
  QUEUE_NAMES,
  TooEarly,
  type JobHandler,
  type JobOutcome,
  type QueueName,
} from './job-definition.js';
import { Queues } from './queues.js';
import { RedisLink } from './redis-link.js';
import { troubleOf } from './redis-trouble.js';

/** After this time without a run, a schedule may be lost, its queue paused, or its workers stuck. */
const lostAfterMs = (everyMs: number) => Math.min(2 * everyMs, 10_000);
const LOOK_EVERY_MS = 5_000;
/** BullMQ's default, 15 s, would make every outage longer. */
const FETCH_AGAIN_MS = 1_000;
const UNKNOWN = 'unknown';
const STILL_TO_COME: ReadonlySet<string> = new Set(['waiting', 'prioritized', 'delayed']);

interface Scheduled {
  handler: JobHandler;
  everyMs: number;
  /** When this process last ran the schedule as a BullMQ job, on the monotonic clock. */
  lastJobMs: number;
  /** When this process last ran the schedule by its own timer, on the monotonic clock. */
  lastOwnMs: number;
  running: Promise<void> | undefined;
}

/**
 * Runs jobs. If a scheduled job has not run for some seconds, e.g. because Redis is away or the queue is
 * paused or stuck, the runner does its work by a timer of its own.
 */
@Injectable()
export class JobRunner implements OnModuleDestroy, BeforeApplicationShutdown {
  readonly #logger = new Log('JobRunner');
  readonly #log = new BoundedLog(this.#logger);
  readonly #workers: Worker[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #scheduled = new Map<string, Scheduled>();
  #link: RedisLink | undefined;
  #closed: Promise<unknown> | undefined;

  constructor(
    private readonly queues: Queues,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly metrics: Metrics,
  ) {}

  /** @throws Error at boot if a job has two handlers, or a queue has no handler. */
  start(handlers: readonly JobHandler[]): void {
    const byQueue = group(handlers);
    const link = RedisLink.patient(this.config.REDIS_URL, {
      name: 'gangway-worker',
      prefix: this.config.QUEUE_PREFIX,
      isWanted: () => !this.#closed,
    });
    this.#link = link;
    this.queues.watch(link);
    link.onChange(() => this.#rest(link));
    for (const [queue, ofQueue] of byQueue) this.#workers.push(this.#work(queue, ofQueue, link));
    for (const handler of handlers) if (handler.everyMs) this.#schedule(handler, handler.everyMs);
  }

  /** Must be called before the app waits for running work, because new jobs would prolong that wait. */
  onModuleDestroy(): void {
    this.#timers.forEach(clearInterval);
    // A graceful close would wait for Redis, even while Redis is away. `StepRunner` waits for attempts.
    const away = !this.#link?.isConnected;
    this.#closed = Promise.all(this.#workers.map((worker) => worker.close(away)));
  }

  /** Does not wait for running jobs if Redis is lost, because Redis cannot take their results. */
  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.#closed, ...[...this.#scheduled.values()].map(({ running }) => running)]);
    this.#link?.disconnect();
  }

  /** BullMQ repeats a refused command immediately and without limit, so workers pause while Redis refuses. */
  #rest(link: RedisLink): void {
    if (this.#closed) return;
    for (const worker of this.#workers) {
      if (link.trouble?.refused && !worker.isPaused()) void worker.pause(true);
      else if (link.accepts && worker.isPaused()) void worker.resume();
    }
  }

  #work(queue: QueueName, handlers: ReadonlyMap<string, JobHandler>, link: RedisLink): Worker {
    for (const name of [...handlers.keys(), UNKNOWN]) this.#countFailed(queue, name, 0);
    const worker = new Worker(queue, (job, token) => this.#run(handlers, job, token), {
      connection: link.redis,
      prefix: this.config.QUEUE_PREFIX,
      concurrency: this.config.WORKER_CONCURRENCY,
      runRetryDelay: FETCH_AGAIN_MS,
    });
    worker.on('failed', (job) =>
      this.#countFailed(queue, job && handlers.has(job.name) ? job.name : UNKNOWN),
    );
    worker.on('error', (error) => {
      void link.ask();
      // `RedisLink` logs an error that Redis causes.
      if (link.accepts && !troubleOf(error).refused)
        this.#log.warn({ queue }, `worker of ${queue}: ${error.message}`);
    });
    return worker;
  }

  async #run(handlers: ReadonlyMap<string, JobHandler>, job: Job, token?: string): Promise<JobOutcome> {
    const handler = handlers.get(job.name);
    if (!handler)
      throw new UnrecoverableError(`no handler for job "${job.name}": perhaps an older version added it`);
    const scheduled = this.#scheduled.get(job.name);
    if (scheduled) scheduled.lastJobMs = this.clock.monotonicMs();
    try {
      const payload = handler.job.payload.parse(job.data);
      const about = { queue: handler.job.queue, job: job.name, ...idsIn(payload) };
      return await currentJob.run(about, async () => {
        const outcome = await handler.handle(payload);
        this.#logger.debug({ ...about, outcome }, `job ${job.name} ended`);
        return outcome;
      });
    } catch (error) {
      if (error instanceof TooEarly) {
        await job.moveToDelayed(Date.now() + error.waitMs, token);
        throw new DelayedError();
      }
      if (error instanceof EndedBadly) throw new UnrecoverableError(error.message);
      throw error;
    }
  }

  #schedule(handler: JobHandler, everyMs: number): void {
    const entry: Scheduled = {
      handler,
      everyMs,
      lastJobMs: -Infinity,
      lastOwnMs: -Infinity,
      running: undefined,
    };
    this.#scheduled.set(handler.job.name, entry);
    const keep = () => {
      entry.running ??= this.#keep(entry).finally(() => (entry.running = undefined));
    };
    keep();
    this.#timers.push(setInterval(keep, Math.min(everyMs, LOOK_EVERY_MS)));
  }

  /** Does a scheduled job's work in this process, once in each period, while no worker runs the job. */
  async #keep(entry: Scheduled): Promise<void> {
    const { handler, everyMs } = entry;
    const sinceMs = (lastMs: number) => this.clock.monotonicMs() - lastMs;
    if (this.queues.isReady()) {
      if (sinceMs(entry.lastJobMs) < lostAfterMs(everyMs) || (await this.#follow(entry))) return;
    }
    if (handler.onlyAsJob || sinceMs(Math.max(entry.lastJobMs, entry.lastOwnMs)) < everyMs) return;
    entry.lastOwnMs = this.clock.monotonicMs();
    try {
      const about = { queue: handler.job.queue, job: handler.job.name };
      await currentJob.run(about, () => handler.handle(handler.job.payload.parse({})));
    } catch (error) {
      this.#countFailed(handler.job.queue, handler.job.name);
      this.#warn(entry, error);
    }
  }

  /**
   * Writes the schedule again if Redis has lost it or its next job.
   *
   * @returns whether a worker runs the job in time.
   */
  async #follow(entry: Scheduled): Promise<boolean> {
    const { everyMs, handler } = entry;
    const { name } = handler.job;
    const queue = this.queues.get(handler.job.queue);
    try {
      const scheduler = await queue.getJobScheduler(name);
      const next = scheduler?.next ?? 0;
      if (scheduler?.every === everyMs) {
        if (Date.now() - next < lostAfterMs(everyMs)) return true;
        if (STILL_TO_COME.has(await queue.getJobState(`repeat:${name}:${next}`))) return false;
      }
      await queue.upsertJobScheduler(name, { every: everyMs }, { name, data: {} });
      return true;
    } catch (error) {
      this.#warn(entry, error);
      return false;
    }
  }

  #countFailed(queue: QueueName, jobName: string, by = 1): void {
    this.metrics.counter('gangway_jobs_failed_total').inc({ queue, job_name: jobName }, by);
  }

  #warn({ handler }: Scheduled, error: unknown): void {
    const { queue, name: job } = handler.job;
    this.#log.warn({ queue, job }, `schedule ${job}: ${(error as Error).message}`);
  }
}

function idsIn(payload: unknown): { onboardingId?: string; operationId?: string } {
  const { onboardingId, operationId } = payload as { onboardingId?: string; operationId?: string };
  return { ...(onboardingId && { onboardingId }), ...(operationId && { operationId }) };
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
