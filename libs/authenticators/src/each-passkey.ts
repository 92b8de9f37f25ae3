import { setImmediate } from 'node:timers/promises';
import type { Row } from '#libs/onboarding';
import { PreflightError, attestationInvalid, type AttestationFault } from './attestation-error.js';

/**
 * Reports the faults of all passkeys together. Lets other requests run before each check, so that ten
 * passkeys do not block them for long.
 *
 * @throws ProblemError `attestation_invalid` if a passkey failed
 */
export async function eachPasskey<T, Result>(
  { deviceSigning }: Pick<Row, 'deviceSigning'>,
  all: readonly T[],
  work: (one: T, index: number) => Result | Promise<Result>,
): Promise<Result[]> {
  const faults: AttestationFault[] = [];
  const results: Result[] = [];
  for (const [index, one] of all.entries()) {
    await setImmediate();
    try {
      results.push(await work(one, index));
    } catch (error) {
      if (!(error instanceof PreflightError)) throw error;
      faults.push({ index, code: error.code, detail: error.message });
    }
  }
  if (faults.length > 0) throw attestationInvalid(faults, deviceSigning !== null);
  return results;
}
