import { randomUUID } from 'node:crypto';

/** W3C Trace Context §3.2, version 00: neither id may be all zeros. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The caller's `traceparent` if it is valid, or a new one that is not sampled. */
export function traceparentOf(header: unknown): string {
  if (typeof header === 'string' && TRACEPARENT.test(header)) return header;
  return `00-${randomHex()}-${randomHex().slice(16)}-00`;
}

/** 32 hex digits, 60 random bits in each half. Cheap, because Node.js caches random data for UUIDs. */
const randomHex = () => randomUUID().replaceAll('-', '');
