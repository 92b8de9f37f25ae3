import { AsyncLocalStorage } from 'node:async_hooks';
import type { LogFields } from './log-fields.js';
import type { Span } from './tracing.js';

/** The facts about a request for its log lines, without header fields, query and body. */
export interface LoggedRequest {
  traceId: string;
  method: string | undefined;
  url: string | undefined;
  address: string;
  /** Set as soon as the caller is known. */
  caller?: string;
  /** Set as soon as the operator is known. */
  operator?: string;
  /** Why a token was refused. */
  reason?: string;
}

export const currentRequest = new AsyncLocalStorage<LoggedRequest>();

/** The job that runs now. Its fields are in each log line during the job. */
export const currentJob = new AsyncLocalStorage<Pick<LogFields, JobField>>();
type JobField = 'queue' | 'job' | 'onboardingId' | 'operationId';

export const openSpan = new AsyncLocalStorage<Span>();

/**
 * Runs work that serves many requests, such as the start of a timer, outside of the current request, job and
 * span. Otherwise, the log lines of the work would name one request.
 */
export const outsideRequests = <T>(work: () => T): T =>
  currentRequest.exit(() => currentJob.exit(() => openSpan.exit(work)));
