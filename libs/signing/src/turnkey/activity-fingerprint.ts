import { createHash } from 'node:crypto';

/**
 * The name by which Turnkey knows an activity, whoever stamps it (Turnkey public API, idempotency): the same body is
 * the same activity, its result included. A body that differs by one space is another activity.
 *
 * @param body exactly as sent. Serialise it once and keep it.
 * @returns `sha256:` and 64 lowercase hex digits.
 */
export function activityFingerprint(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
