import { Injectable, Logger } from '@nestjs/common';
import type { JobDefinition } from './job-definition.js';
import { Queues } from './queues.js';

/** A queue that is away never holds up a request for longer than this. */
const ADD_TIMEOUT_MS = 200;

/** Adds wake-up calls. A job carries ids only; to lose one costs time until the sweeper finds its row. */
@Injectable()
export class JobProducer {
  readonly #logger = new Logger(JobProducer.name);

  constructor(private readonly queues: Queues) {}

  /**
   * @param options.id BullMQ's custom job id, without ":"; adding an id that is still kept does nothing.
   * @returns whether Redis took the job; never throws for a Redis that is away.
   */
  async add<Payload>(
    job: JobDefinition<Payload>,
    payload: Payload,
    options: { id?: string; delayMs?: number } = {},
  ): Promise<boolean> {
    // BullMQ waits for the very first connection without end: what it would add then, the sweeper has long woken.
    if (!this.queues.isReady()) return this.#notAdded(job.name, 'Redis is away');
    const added = this.queues.get(job.queue).add(job.name, payload, {
      delay: Math.max(0, Math.ceil(options.delayMs ?? 0)),
      ...(options.id && { jobId: options.id }),
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${ADD_TIMEOUT_MS} ms`)), ADD_TIMEOUT_MS);
    });
    try {
      await Promise.race([added, late]);
      return true;
    } catch (error) {
      added.catch(() => undefined); // it may still fail after we stopped waiting
      return this.#notAdded(job.name, (error as Error).message);
    } finally {
      clearTimeout(timer);
    }
  }

  #notAdded(name: string, why: string): false {
    this.#logger.warn(`job ${name} was not queued, the sweeper will wake its row: ${why}`);
    return false;
  }
}
