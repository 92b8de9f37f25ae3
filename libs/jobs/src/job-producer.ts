import { Injectable, Logger } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { BoundedLog } from './bounded-log.js';
import type { JobDefinition } from './job-definition.js';
import { Queues } from './queues.js';

/** An unreachable queue delays a request for at most this long. */
const ADD_TIMEOUT_MS = 200;
/** A job whose worker died stays active for a while. At most this many more are queued beside it. */
const WAKES = 3;
const WAITING: ReadonlySet<string> = new Set(['waiting', 'prioritized', 'waiting-children']);

/** The result of a wake-up call: a job was queued, one already waits, or Redis took none. */
export type Woken = 'queued' | 'waits' | 'refused';

/** Queues wake-up calls. A job carries only ids. If a job is lost, the sweeper wakes its row. */
@Injectable()
export class JobProducer {
  readonly #log = new BoundedLog(new Logger(JobProducer.name));

  constructor(private readonly queues: Queues) {}

  /**
   * @param options.id BullMQ's custom job id, without ":". BullMQ ignores a job whose id it still keeps.
   * @returns whether Redis took the job. Never throws if Redis is away or refuses.
   */
  async add<Payload>(
    job: JobDefinition<Payload>,
    payload: Payload,
    options: { id?: string; delayMs?: number } = {},
  ): Promise<boolean> {
    const added = await this.#inTime(job.name, () =>
      this.queues.get(job.queue).add(job.name, payload, {
        delay: Math.max(0, Math.ceil(options.delayMs ?? 0)),
        ...(options.id && { jobId: options.id }),
      }),
    );
    return added !== null;
  }

  /**
   * Runs a job now, unless a job with the same id already waits. Promotes a delayed job. If a job with this
   * id is finished but kept, BullMQ would ignore a new one; if that job is active, its worker may be dead. In
   * both cases the new job gets a derived id.
   *
   * @param id as for {@link add}.
   * @param withinMs the caller waits at most this long.
   */
  async wake<Payload>(
    job: JobDefinition<Payload>,
    payload: Payload,
    id: string,
    withinMs = ADD_TIMEOUT_MS,
  ): Promise<Woken> {
    return (await this.#inTime(job.name, () => this.#wake(job, payload, id), withinMs)) ?? 'refused';
  }

  async #wake<Payload>(job: JobDefinition<Payload>, payload: Payload, id: string): Promise<Woken> {
    const queue = this.queues.get(job.queue);
    const wakes = Array.from({ length: WAKES }, (_, n) => `${id}_wake${n + 1}`);
    const ids = [id, ...wakes];
    const states = await Promise.all(ids.map((each) => queue.getJobState(each)));
    if (states.some((state) => WAITING.has(state))) return 'waits';
    const delayed = ids[states.indexOf('delayed')];
    if (delayed) return this.#promote(queue, delayed);
    const free = wakes.find((_, n) => states[n + 1] !== 'active');
    if (!free) return 'waits';
    if (states[ids.indexOf(free)] !== 'unknown') await queue.remove(free);
    await queue.add(job.name, payload, { jobId: free });
    return 'queued';
  }

  async #promote(queue: Queue, id: string): Promise<Woken> {
    try {
      await (await queue.getJob(id))?.promote();
      return 'queued';
    } catch (error) {
      // The job may have become due meanwhile.
      if ((await queue.getJobState(id)) === 'delayed') throw error;
      return 'waits';
    }
  }

  /** @returns null if Redis took nothing. */
  async #inTime<T>(name: string, work: () => Promise<T>, withinMs = ADD_TIMEOUT_MS): Promise<T | null> {
    // BullMQ would wait without limit for its first connection, and add the job long after the sweeper has.
    if (!this.queues.isReady()) return this.#notAdded(name, 'Redis takes no jobs');
    const working = work();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${withinMs} ms`)), withinMs);
    });
    try {
      return await Promise.race([working, late]);
    } catch (error) {
      working.catch(() => undefined); // it may still fail after we stopped waiting
      void this.queues.link.ask(); // Redis may refuse writes: then the next job is not tried
      return this.#notAdded(name, (error as Error).message);
    } finally {
      clearTimeout(timer);
    }
  }

  #notAdded(name: string, why: string): null {
    this.#log.warn(`job ${name} was not queued, the sweeper will wake its row: ${why}`);
    return null;
  }
}
