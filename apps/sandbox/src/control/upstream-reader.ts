import type { FastifyRequest } from 'fastify';
import type { SignatureVerdict } from '../byzantine/request-signature.js';
import type { StampedArrival } from '../turnkey/turnkey-reader.js';
import type { JournalEntry } from './journal.js';

/** What an emulated upstream makes of a request on arrival, before any route sees it. */
export interface Arrival {
  /** Who and what the request is about, as far as it says. */
  ids: Pick<JournalEntry, 'userId' | 'accountId' | 'otpId' | 'organizationId' | 'contact'>;
  headers: Omit<JournalEntry['headers'], 'requestId'>;
  /** Of Byzantine's headers; null for other upstreams. */
  verdict: SignatureVerdict | null;
  /** Of Turnkey's public API; null for other upstreams. */
  stamped: StampedArrival | null;
}

/** An upstream's own way of reading requests and of saying no. */
export interface UpstreamReader {
  /** Whether a request came to this upstream. */
  owns(request: FastifyRequest): boolean;
  read(request: FastifyRequest, rawBody: Buffer): Arrival;
  /** The body of a scripted answer that was given none. */
  scriptedError(status: number): object;
}
