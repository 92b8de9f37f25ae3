import type { FastifyRequest } from 'fastify';
import type { Fault } from './faults.js';
import type { JournalEntry } from './journal.js';
import type { Arrival, UpstreamReader } from './upstream-reader.js';

/** What is known of an upstream request while it is answered. */
export interface Visit extends Pick<Arrival, 'verdict' | 'stamped'> {
  entry: JournalEntry;
  /** Whose request it is. */
  upstream: UpstreamReader;
  fault: Fault | null;
  /** Writes down how the request ended. Its first end counts, unless the caller turns out to have gone. */
  answered(answer: NonNullable<JournalEntry['answer']>): void;
  /** Writes down what was done, and to whom if only that tells. */
  took(effect: object | null): void;
}

const visits = new WeakMap<FastifyRequest, Visit>();

export function recordVisit(request: FastifyRequest, visit: Visit): void {
  visits.set(request, visit);
}

/** The visit of an upstream request; undefined for control routes. */
export function visitOf(request: FastifyRequest): Visit | undefined {
  return visits.get(request);
}
