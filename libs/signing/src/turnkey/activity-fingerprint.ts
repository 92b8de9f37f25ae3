import { createHash } from 'node:crypto';

/** The body of a request, exactly as sent: text (sent as UTF-8) or bytes. Serialise it once and keep it. */
export type RequestBody = string | Uint8Array;

/** @returns SHA-256 of the body's bytes: 64 lowercase hex digits. */
export function bodyHashHex(body: RequestBody): string {
  return createHash('sha256').update(body).digest('hex');
}

/**
 * The name by which Turnkey knows an activity, whoever stamps it (Turnkey public API, idempotency): the same bytes
 * are the same activity, its result included, and any other bytes, be it by one space, are another.
 *
 * @returns `sha256:` and 64 lowercase hex digits.
 */
export function activityFingerprint(body: RequestBody): string {
  return `sha256:${bodyHashHex(body)}`;
}
