import { randomUUID } from 'node:crypto';

/** W3C Trace Context §3.2, version 00. An id of zeros is not valid. */
export const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** @returns a new one that is not sampled, if the caller's is missing or not valid. */
export function traceparentOf(header: unknown): string {
  if (typeof header === 'string' && TRACEPARENT.test(header)) return header;
  return `00-${randomHex()}-${randomHex().slice(16)}-00`;
}

/** 32 hex digits, at least 60 random bits in each half. Fast, because Node.js caches random data. */
const randomHex = () => randomUUID().replaceAll('-', '');
