import { createHash } from 'node:crypto';

/**
 * The value by which Turnkey recognizes a repeated request (Turnkey public API, idempotency).
 *
 * @param body exactly as it is sent: one more space makes another request.
 * @returns `sha256:` and 64 lowercase hex digits.
 */
export function activityFingerprint(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
