import { AsyncLocalStorage } from 'node:async_hooks';
import type { LogFields } from './log-fields.js';
import type { Span } from './tracing.js';

/** For log lines, so without header fields, query and body. */
export interface LoggedRequest {
  traceId: string;
  method: string | undefined;
  url: string | undefined;
  address: string;
  caller?: string;
  operator?: string;
  /** Why a token was refused. */
  reason?: string;
}

export const currentRequest = new AsyncLocalStorage<LoggedRequest>();

/** Its fields are in each log line during the job. */
export const currentJob = new AsyncLocalStorage<Pick<LogFields, JobField>>();
type JobField = 'queue' | 'job' | 'onboardingId' | 'operationId';

export const openSpan = new AsyncLocalStorage<Span>();

/**
 * For work that serves many requests, such as the start of a timer: its log lines must not name one request.
 */
export const outsideRequests = <T>(work: () => T): T =>
  currentRequest.exit(() => currentJob.exit(() => openSpan.exit(work)));
