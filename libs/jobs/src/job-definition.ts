import type { z } from 'zod';

/** Redis keeps at most 1 000 finished jobs, for at most a day. `age` is in seconds. */
const KEPT = { age: 86_400, count: 1_000 };

/** The names that operators see. */
export const QUEUES = {
  /** Retries of the three steps. A job has the name of its step. */
  steps: { keepFinished: KEPT, keepFailed: KEPT },
  /** Writes the expiry of codes, sessions and onboardings. */
  expiry: { keepFinished: KEPT, keepFailed: KEPT },
  /** Other scheduled work: sweep, probe, retention, resealing, timelines. */
  upkeep: { keepFinished: KEPT, keepFailed: KEPT },
  operations: { keepFinished: KEPT, keepFailed: KEPT },
} as const;

export type QueueName = keyof typeof QUEUES;
export const QUEUE_NAMES = Object.keys(QUEUES) as QueueName[];

/** `payload` parses what Redis holds. */
export interface JobDefinition<Payload> {
  queue: QueueName;
  name: string;
  payload: z.ZodType<Payload>;
}

/** Operators see an outcome as the job's return value, so it contains only ids, counts and times. */
export type JobOutcome = Record<string, unknown>;

export interface JobHandler<Payload = unknown> {
  job: JobDefinition<Payload>;
  /** A BullMQ job scheduler runs the job at this interval. */
  everyMs?: number;
  /** If set, the work runs only as a job, and so not while Redis is away. */
  onlyAsJob?: true;
  handle(payload: Payload): Promise<JobOutcome>;
}

/** A handler throws this error if its job is not due yet. */
export class TooEarly extends Error {
  constructor(readonly waitMs: number) {
    super(`too early by ${waitMs} ms`);
    this.name = 'TooEarly';
  }
}

/** A handler throws this error if its job has failed permanently. */
export class EndedBadly extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'EndedBadly';
  }
}
