import { createHash } from 'node:crypto';

/**
 * Turnkey's name for an activity, independent of its stamp (Turnkey public API, idempotency). The same body
 * is the same activity with the same result. A body with one more space is another activity.
 *
 * @param body exactly as sent. Serialize it once and keep it.
 * @returns `sha256:` and 64 lowercase hex digits.
 */
export function activityFingerprint(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
