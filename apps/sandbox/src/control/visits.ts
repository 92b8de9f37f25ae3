import type { FastifyRequest } from 'fastify';
import type { SignatureVerdict } from '../byzantine/request-signature.js';
import type { Fault } from './faults.js';
import type { JournalEntry } from './journal.js';

/** What is known of an upstream request while it is answered. */
export interface Visit {
  entry: JournalEntry;
  verdict: SignatureVerdict | null;
  fault: Fault | null;
  /** Writes down how the request ended. Its first end counts, unless the caller turns out to have gone. */
  answered(answer: NonNullable<JournalEntry['answer']>): void;
}

const visits = new WeakMap<FastifyRequest, Visit>();

export function recordVisit(request: FastifyRequest, visit: Visit): void {
  visits.set(request, visit);
}

/** The visit of an upstream request; undefined for control routes. */
export function visitOf(request: FastifyRequest): Visit | undefined {
  return visits.get(request);
}
