import type { z } from 'zod';

/** Finished jobs are kept for a day, and at most 1 000 of them. */
const KEPT = { age: 86_400, count: 1_000 };

/** The queues that operators see, each with its policy. */
export const QUEUES = {
  /** Retries of the three steps: jobs are named by step. */
  steps: { keepFinished: KEPT, keepFailed: KEPT },
  /** Ends codes, sessions and onboardings that are due. */
  expiry: { keepFinished: KEPT, keepFailed: KEPT },
  /** Other work by the clock: sweep, probe, retention, resealing, timelines. */
  upkeep: { keepFinished: KEPT, keepFailed: KEPT },
  operations: { keepFinished: KEPT, keepFailed: KEPT },
} as const;

export type QueueName = keyof typeof QUEUES;
export const QUEUE_NAMES = Object.keys(QUEUES) as QueueName[];

/** A kind of job: its name on its queue, and a parser for its payload in Redis. */
export interface JobDefinition<Payload> {
  queue: QueueName;
  name: string;
  payload: z.ZodType<Payload>;
}

/** A handler's result, shown as the job's return value: ids, counts and instants only. */
export type JobOutcome = Record<string, unknown>;

export interface JobHandler<Payload = unknown> {
  job: JobDefinition<Payload>;
  /** Runs periodically, by a BullMQ job scheduler. */
  everyMs?: number;
  /** Runs as a job only, so not at all while Redis is away. */
  onlyAsJob?: true;
  handle(payload: Payload): Promise<JobOutcome>;
}

/** A handler throws this error if its job is not due yet: the job is delayed until then. */
export class TooEarly extends Error {
  constructor(readonly waitMs: number) {
    super(`too early by ${waitMs} ms`);
    this.name = 'TooEarly';
  }
}

/**
 * A handler throws this error if its work has failed for good. The job is shown as failed, and does not run
 * again.
 */
export class EndedBadly extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'EndedBadly';
  }
}
