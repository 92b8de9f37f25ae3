import { randomUUID } from 'node:crypto';

/** W3C Trace Context §3.2, version 00: neither id may be all zeros. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The caller's `traceparent` where it is a valid one, or a new one, not sampled. */
export function traceparentOf(header: unknown): string {
  if (typeof header === 'string' && TRACEPARENT.test(header)) return header;
  return `00-${randomHex()}-${randomHex().slice(16)}-00`;
}

/** 32 hex digits, each half with at least 60 random bits. Node has a store of UUIDs: they cost less than other random bytes. */
const randomHex = () => randomUUID().replaceAll('-', '');
