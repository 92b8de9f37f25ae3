import type { FastifyRequest } from 'fastify';
import type { Fault } from './faults.js';
import type { JournalEntry } from './journal.js';
import type { Arrival, UpstreamReader } from './upstream-reader.js';

export interface Visit extends Pick<Arrival, 'verdict' | 'stamped'> {
  entry: JournalEntry;
  upstream: UpstreamReader;
  fault: Fault | null;
  /** Only the first call counts, except that `client_gone` always counts. */
  answered(answer: NonNullable<JournalEntry['answer']>): void;
  /** If the request named no user, also records the user of the effect. */
  recordEffect(effect: object | null): void;
}

const visits = new WeakMap<FastifyRequest, Visit>();

export function recordVisit(request: FastifyRequest, visit: Visit): void {
  visits.set(request, visit);
}

/** @returns undefined for a request to `/_sandbox` */
export function visitOf(request: FastifyRequest): Visit | undefined {
  return visits.get(request);
}
