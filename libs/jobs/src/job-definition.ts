import type { z } from 'zod';

/** The queues that operators see, each with its policy. Finished jobs are kept a day or 1 000, whichever is less. */
const KEPT = { age: 86_400, count: 1_000 };

export const QUEUES = {
  /** Retries of the three steps: jobs are named by step. */
  steps: { keepFinished: KEPT, keepFailed: KEPT },
  /** Ends codes, sessions and onboardings that are due. */
  expiry: { keepFinished: KEPT, keepFailed: KEPT },
  /** What runs by the clock, besides expiry: sweep, probe, retention, resealing, timelines. */
  upkeep: { keepFinished: KEPT, keepFailed: KEPT },
} as const;

export type QueueName = keyof typeof QUEUES;
export const QUEUE_NAMES = Object.keys(QUEUES) as QueueName[];

/** A kind of job: its name on its queue, and a parser for what comes back from Redis. */
export interface JobDefinition<Payload> {
  queue: QueueName;
  name: string;
  payload: z.ZodType<Payload>;
}

/** Says what a handler made of a job, shown as the job's return value: ids, counts and instants only. */
export type JobOutcome = Record<string, unknown>;

export interface JobHandler<Payload = unknown> {
  job: JobDefinition<Payload>;
  /** Runs again and again by itself, by a BullMQ job scheduler. */
  everyMs?: number;
  /** Means nothing unless it is run as a job: while Redis is away it is not run at all. */
  onlyAsJob?: true;
  handle(payload: Payload): Promise<JobOutcome>;
}

/** Thrown by a handler whose job came too early: the job goes back to sleep until then. */
export class TooEarly extends Error {
  constructor(readonly waitMs: number) {
    super(`too early by ${waitMs} ms`);
    this.name = 'TooEarly';
  }
}

/** Thrown by a handler whose work has ended badly for good: the job is shown as failed, and not run again. */
export class EndedBadly extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'EndedBadly';
  }
}
