import { createHash } from 'node:crypto';

/**
 * Turnkey's identifier of an activity (Turnkey public API, idempotency), without its stamp. The same bytes
 * are the same activity with the same result; one more space makes another.
 *
 * @param body exactly as it is sent.
 * @returns `sha256:` and 64 lowercase hex digits.
 */
export function activityFingerprint(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
