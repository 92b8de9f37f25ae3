import { ProblemError } from '#libs/kernel';

const DEFAULT_WAIT_S = 10;
const MAX_WAIT_S = 30;

/**
 * How long a caller wants to wait for a step's end (RFC 7240 §4.1 and §4.3).
 *
 * @param header the `Prefer` header, if any. Preferences that we do not know are ignored, as the RFC says.
 * @returns milliseconds; 0 for `respond-async`.
 * @throws ProblemError `validation_failed` for a `wait` that is not 0 to 30 seconds.
 */
export function waitOf(header: string | undefined): number {
  const preferences = (header ?? '').split(',').map((part) => part.split(';', 1)[0]!.trim().toLowerCase());
  if (preferences.includes('respond-async')) return 0;
  const wait = preferences
    .find((part) => /^wait\s*=/.test(part))
    ?.replace(/^wait\s*=\s*/, '')
    .replaceAll('"', '');
  if (wait === undefined) return DEFAULT_WAIT_S * 1000;
  if (!/^\d{1,4}$/.test(wait) || Number(wait) > MAX_WAIT_S) {
    throw new ProblemError('validation_failed', {
      detail: `Prefer: wait takes whole seconds from 0 to ${MAX_WAIT_S}.`,
    });
  }
  return Number(wait) * 1000;
}
