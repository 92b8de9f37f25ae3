import { createHash } from 'node:crypto';

/**
 * Turnkey's identifier of an activity (Turnkey public API, idempotency). It does not depend on the stamp. The
 * same body is the same activity with the same result. One more space makes it another activity.
 *
 * @param body exactly as it is sent. Serialize the body once and keep the text.
 * @returns `sha256:` and 64 lowercase hex digits.
 */
export function activityFingerprint(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
