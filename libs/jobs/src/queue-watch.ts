import { setTimeout as pause } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Job, Queue } from 'bullmq';
import { Health, Log, Metrics, type Finding } from '#libs/platform';
import { QUEUE_NAMES, type QueueName } from './job-definition.js';
import { Queues } from './queues.js';
import { troubleOf } from './redis-trouble.js';

/** A due job is late after this time. Normally, a worker takes it within milliseconds. */
const LATE_MS = 10_000;
/** Redis is asked at most once in this time. */
const SEEN_FOR_MS = 1_000;
const EVENTS_READ = 1_000;
const PATIENCE_MS = 1_000;
const JOB_STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

export interface QueuesState {
  /** Null if Redis can be used. */
  trouble: string | null;
  /** Empty if Redis cannot be read. */
  queues: QueueState[];
}

/** Times are in milliseconds since 1970. */
export interface QueueState extends Seen, JobCounts {
  name: QueueName;
  finding: Finding;
}

interface JobCounts {
  active: number;
  delayed: number;
  failed: number;
  completed: number;
}

interface Seen {
  paused: boolean;
  /** Null if the queue is not paused, or if BullMQ's events no longer show the time. */
  pausedAt: number | null;
  waiting: number;
  oldestDueAt: number | null;
  lastFinishedAt: number | null;
}

/** Reads from Redis whether each queue is paused or late, and when its last job ended. */
@Injectable()
export class QueueWatch {
  readonly #seen = new Map<QueueName, { atMs: number; seen: Promise<Seen & JobCounts> }>();
  readonly #pausedAt = new Map<QueueName, number | null>();
  readonly #logger = new Log('QueueWatch');
  readonly #logged = new Set<QueueName>();

  constructor(
    private readonly queues: Queues,
    health: Health,
    metrics: Metrics,
  ) {
    for (const name of QUEUE_NAMES) {
      health.register({ name: `queue ${name}`, vital: false, check: () => this.#check(name) });
    }
    const gauge = (
      what: 'paused' | 'oldest_waiting_seconds' | 'last_finished_seconds',
      read: (seen: Seen) => number,
    ) =>
      metrics.gauge(`gangway_queue_${what}`, () =>
        this.#read((seen, queue) => [{ labels: { queue }, value: read(seen) }]),
      );
    gauge('paused', ({ paused }) => Number(paused));
    gauge('oldest_waiting_seconds', (seen) => seconds(ageOf(seen.oldestDueAt)));
    gauge('last_finished_seconds', (seen) =>
      seen.lastFinishedAt === null ? NaN : seconds(ageOf(seen.lastFinishedAt)),
    );
    metrics.gauge('gangway_queue_jobs', () =>
      this.#read((seen, queue) =>
        JOB_STATES.map((state) => ({ labels: { queue, state }, value: seen[state] })),
      ),
    );
  }

  /**
   * Reads only counts and the first jobs of lists, so it stays fast with many jobs. Waits at most one second
   * for Redis.
   */
  async read(): Promise<QueuesState> {
    if (!this.queues.link.isConnected) return { trouble: this.#trouble(), queues: [] };
    const late = pause(PATIENCE_MS, null, { ref: false });
    // A Redis that answers reads may refuse writes, and then takes no job.
    const written = this.queues.link.ask();
    const asked = Promise.all(
      QUEUE_NAMES.map(async (name) => {
        const seen = await this.#look(name);
        return { name, ...seen, finding: findingOf(seen) };
      }),
    );
    try {
      const queues = await Promise.race([asked, late]);
      if (!queues) return { trouble: 'Redis does not answer', queues: [] };
      await Promise.race([written, late]);
      return { trouble: this.queues.link.accepts ? null : this.#trouble(), queues };
    } catch (error) {
      return { trouble: `Redis ${troubleOf(error as Error).words}`, queues: [] };
    }
  }

  #trouble(): string {
    return `Redis ${this.queues.link.trouble?.words ?? 'is not connected'}`;
  }

  async #check(name: QueueName): Promise<Finding> {
    return this.queues.unlessAway(async () => findingOf(await this.#look(name)));
  }

  /** @returns an empty list if Redis cannot be read, because an old number would look current. */
  async #read<T>(read: (seen: Seen & JobCounts, queue: QueueName) => T[]): Promise<T[]> {
    if (!this.queues.link.isConnected) return [];
    const each = QUEUE_NAMES.map(async (name) => read(await this.#look(name), name));
    return Promise.all(each).then(
      (found) => found.flat(),
      () => [],
    );
  }

  #look(name: QueueName): Promise<Seen & JobCounts> {
    const now = performance.now();
    const last = this.#seen.get(name);
    if (last && now - last.atMs < SEEN_FOR_MS) return last.seen;
    const seen = this.#ask(name);
    seen.catch(() => this.#seen.delete(name));
    this.#seen.set(name, { atMs: now, seen });
    return seen;
  }

  async #ask(name: QueueName): Promise<Seen & JobCounts> {
    const queue = this.queues.get(name);
    const [paused, counts, waiting, delayed, completed, failed] = await Promise.all([
      queue.isPaused(),
      queue.getJobCounts('wait', 'prioritized', 'active', 'delayed', 'failed', 'completed'),
      queue.getWaiting(0, 0),
      queue.getDelayed(0, 0),
      queue.getCompleted(0, 0),
      queue.getFailed(0, 0),
    ]);
    const now = Date.now();
    const due = [...waiting, ...delayed]
      .filter(isThere)
      .map(dueAtOf)
      .filter((at) => at <= now);
    const ended = [...completed, ...failed].filter(isThere).map((job) => job.finishedOn ?? 0);
    const countOf = (state: string) => counts[state] ?? 0;
    const seen = {
      paused,
      pausedAt: await this.#pauseOf(name, paused, queue),
      waiting: countOf('wait') + countOf('prioritized'),
      oldestDueAt: due.length > 0 ? Math.min(...due) : null,
      lastFinishedAt: ended.length > 0 ? Math.max(...ended) : null,
      active: countOf('active'),
      delayed: countOf('delayed'),
      failed: countOf('failed'),
      completed: countOf('completed'),
    };
    this.#logChange(name, findingOf(seen));
    return seen;
  }

  #logChange(name: QueueName, { status, detail }: Finding): void {
    if (status === 'down' && !this.#logged.has(name)) {
      this.#logged.add(name);
      this.#logger.warn({ queue: name, health: 'degraded' }, `queue ${name} is degraded: ${detail}`);
    } else if (status === 'up' && this.#logged.delete(name)) {
      this.#logger.info({ queue: name, health: 'ok' }, `queue ${name} is in order again`);
    }
  }

  /** BullMQ does not store when a queue was paused, but a recent event may show it. */
  async #pauseOf(name: QueueName, paused: boolean, queue: Queue): Promise<number | null> {
    if (!paused) {
      this.#pausedAt.delete(name);
      return null;
    }
    const known = this.#pausedAt.get(name);
    if (known !== undefined) return known;
    const events = await this.queues.redis.xrevrange(queue.toKey('events'), '+', '-', 'COUNT', EVENTS_READ);
    const [id] = events.find(([, fields]) => fields.includes('paused')) ?? [];
    const at = id === undefined ? null : Number(id.split('-', 1)[0]);
    this.#pausedAt.set(name, at);
    return at;
  }
}

export function findingOf(seen: Seen, now = Date.now()): Finding {
  const oldestMs = ageOf(seen.oldestDueAt, now);
  const since = seen.pausedAt === null ? '' : ` since ${instant(seen.pausedAt)}`;
  const detail = [
    ...(seen.paused ? [`paused${since}, its jobs are not run`] : []),
    seen.waiting > 0 || seen.oldestDueAt !== null
      ? `${Math.max(seen.waiting, 1)} waiting, the oldest for ${Math.round(oldestMs / 1_000)} s`
      : 'none waiting',
    seen.lastFinishedAt === null
      ? 'none finished yet'
      : `last finished ${Math.round(ageOf(seen.lastFinishedAt, now) / 1_000)} s ago`,
  ].join('; ');
  return { status: seen.paused || oldestMs > LATE_MS ? 'down' : 'up', detail };
}

const isThere = (job: Job | undefined): job is Job => job !== undefined;
const ageOf = (at: number | null, now = Date.now()) => (at === null ? 0 : Math.max(0, now - at));
const seconds = (ms: number) => ms / 1_000;
const instant = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** @returns when the job became due. A job that was delayed again became due only after its last run. */
function dueAtOf(job: Job): number {
  return Math.max(job.timestamp + (job.delay || (job.opts.delay ?? 0)), job.processedOn ?? 0);
}
