import { Injectable } from '@nestjs/common';
import type { Queue } from 'bullmq';
import { Log } from '#libs/platform';
import { BoundedLog } from './bounded-log.js';
import type { JobDefinition } from './job-definition.js';
import { Queues } from './queues.js';

/** How long an unreachable queue may delay a request. */
const ADD_TIMEOUT_MS = 200;
/** The worker of an active job may have died, so a wake-up adds another job, up to this number. */
const WAKES = 3;
const WAITING: ReadonlySet<string> = new Set(['waiting', 'prioritized', 'waiting-children']);

/** `waits`: a job with this id is waiting already. `refused`: Redis accepted no job. */
export type Woken = 'queued' | 'waits' | 'refused';

/**
 * Queues jobs that wake the step of an onboarding. A job contains only ids. If it is lost, the sweeper queues
 * another one.
 */
@Injectable()
export class JobProducer {
  readonly #log = new BoundedLog(new Log('JobProducer'));

  constructor(private readonly queues: Queues) {}

  /**
   * @param options.id without ":". BullMQ ignores a job whose id it still has.
   * @returns false, without an error, if Redis is away or refuses the job.
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
   * Queues a job that runs now. A delayed job with this id becomes due now, a waiting one stays as it is. For
   * an active or a finished one, BullMQ would ignore the same id, so the new job gets a derived id.
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
      // The job may have become due in the meantime.
      if ((await queue.getJobState(id)) === 'delayed') throw error;
      return 'waits';
    }
  }

  /** @returns null if Redis did not accept the job in time. */
  async #inTime<T>(name: string, work: () => Promise<T>, withinMs = ADD_TIMEOUT_MS): Promise<T | null> {
    // BullMQ would wait for its first connection without limit, and add the job after the sweeper's.
    if (!this.queues.isReady()) return this.#notAdded(name, 'Redis takes no jobs');
    const working = work();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${withinMs} ms`)), withinMs);
    });
    try {
      return await Promise.race([working, late]);
    } catch (error) {
      working.catch(() => undefined); // the work may still fail after the caller has stopped waiting
      void this.queues.link.ask(); // if Redis refuses writes, the next job is refused without a try
      return this.#notAdded(name, (error as Error).message);
    } finally {
      clearTimeout(timer);
    }
  }

  #notAdded(name: string, why: string): null {
    this.#log.warn({ job: name }, `job ${name} was not queued, the sweeper will wake its row: ${why}`);
    return null;
  }
}
