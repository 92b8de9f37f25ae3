import { createHash } from 'node:crypto';

/**
 * The value by which Turnkey recognizes a repeated activity (Turnkey public API, idempotency). It depends on
 * the bytes of the body, and not on the stamp. One more space makes another activity.
 *
 * @param body exactly as it is sent.
 * @returns `sha256:` and 64 lowercase hex digits.
 */
export function activityFingerprint(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
