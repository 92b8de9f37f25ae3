import { createHash } from 'node:crypto';

/**
 * The value by which Turnkey recognizes a repeated activity (Turnkey public API, idempotency). The stamp does
 * not count. For the same bytes Turnkey returns the same result. One more space makes another activity.
 *
 * @param body exactly as it is sent.
 * @returns `sha256:` and 64 lowercase hex digits.
 */
export function activityFingerprint(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
