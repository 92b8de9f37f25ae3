import type { FastifyRequest } from 'fastify';
import type { SignatureVerdict } from '../byzantine/request-signature.js';
import type { StampedArrival } from '../turnkey/turnkey-reader.js';
import type { JournalEntry } from './journal.js';

/** The facts of a request on arrival, before any route runs. */
export interface Arrival {
  ids: Pick<JournalEntry, 'userId' | 'accountId' | 'otpId' | 'organizationId' | 'contact'>;
  headers: Omit<JournalEntry['headers'], 'requestId'>;
  /** The result of the check of Byzantine's headers. Null for other upstreams. */
  verdict: SignatureVerdict | null;
  /** The result of the check of the stamp, for Turnkey's public API. Null for other upstreams. */
  stamped: StampedArrival | null;
}

export interface UpstreamReader {
  owns(request: FastifyRequest): boolean;
  read(request: FastifyRequest, rawBody: Buffer): Arrival;
  /** @returns the body of a fault's answer, if the fault sets none */
  scriptedError(status: number): object;
}
