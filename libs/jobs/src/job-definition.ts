import type { z } from 'zod';

/** Finished jobs are kept for a day, but never more than 1 000 of them. */
const KEPT = { age: 86_400, count: 1_000 };

/** The queues, by the names that operators see, and how long each queue keeps its jobs. */
export const QUEUES = {
  /** Retries of the three steps. The name of a job is the name of its step. */
  steps: { keepFinished: KEPT, keepFailed: KEPT },
  /** Writes the expiry of codes, sessions and onboardings. */
  expiry: { keepFinished: KEPT, keepFailed: KEPT },
  /** Other scheduled work: sweep, probe, retention, resealing, timelines. */
  upkeep: { keepFinished: KEPT, keepFailed: KEPT },
  operations: { keepFinished: KEPT, keepFailed: KEPT },
} as const;

export type QueueName = keyof typeof QUEUES;
export const QUEUE_NAMES = Object.keys(QUEUES) as QueueName[];

/** A kind of job: its queue, its name, and a parser for the payload that Redis holds. */
export interface JobDefinition<Payload> {
  queue: QueueName;
  name: string;
  payload: z.ZodType<Payload>;
}

/**
 * What a handler returns. Operators see it as the job's return value, so it contains only ids, counts and
 * times.
 */
export type JobOutcome = Record<string, unknown>;

export interface JobHandler<Payload = unknown> {
  job: JobDefinition<Payload>;
  /** If set, a BullMQ job scheduler runs the job repeatedly at this interval. */
  everyMs?: number;
  /** If set, the work runs only as a job. So it does not run while Redis is away. */
  onlyAsJob?: true;
  handle(payload: Payload): Promise<JobOutcome>;
}

/** A handler throws this error if its job is not due yet. The job is then delayed until it is due. */
export class TooEarly extends Error {
  constructor(readonly waitMs: number) {
    super(`too early by ${waitMs} ms`);
    this.name = 'TooEarly';
  }
}

/**
 * A handler throws this error if its work has failed permanently. The job is then shown as failed, and does
 * not run again.
 */
export class EndedBadly extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'EndedBadly';
  }
}
