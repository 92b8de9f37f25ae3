import { PASSKEY_FAULTS, ProblemError, type PasskeyFaultCode } from '#libs/kernel';

export type AttestationCode = PasskeyFaultCode;
export const ATTESTATION_CODES = Object.keys(PASSKEY_FAULTS) as AttestationCode[];

/** A check that a passkey failed. */
export class PreflightError extends Error {
  constructor(
    readonly code: AttestationCode,
    detail: string = PASSKEY_FAULTS[code].meaning,
  ) {
    super(detail);
    this.name = 'PreflightError';
  }
}

/** @throws PreflightError with this code if the condition is false. */
export function check(holds: boolean, code: AttestationCode): asserts holds {
  if (!holds) throw new PreflightError(code);
}

/**
 * Hides a decoder's own error, because it shows internals.
 * @throws PreflightError
 */
export function decoding<T>(code: AttestationCode, work: () => T): T {
  try {
    return work();
  } catch {
    throw new PreflightError(code);
  }
}

/** A passkey that failed a check, and its place in the submission. */
export interface AttestationFault {
  /** Its index in the submission. */
  index: number;
  code: AttestationCode;
  /** Replaces the default text of the code. */
  detail?: string;
}

/**
 * @param signed whether the passkeys came in the device's signed request. Then no pointer can name one of
 * them.
 */
export function attestationInvalid(faults: AttestationFault[], signed: boolean): ProblemError {
  return new ProblemError('attestation_invalid', {
    detail: 'A passkey failed a check; errors says which. Nothing was sent to the provider.',
    errors: faults.map(({ index, code, detail = PASSKEY_FAULTS[code].meaning }) =>
      signed
        ? { pointer: '/device', code, detail: `Passkey ${index + 1} in it: ${detail}` }
        : { pointer: `/authenticators/${index}`, code, detail },
    ),
  });
}

/** Thrown before a challenge is issued: the subject already has the highest number of passkeys. */
export function noRoomForAuthenticators(): ProblemError {
  const code = 'too_many_authenticators';
  return new ProblemError('attestation_invalid', {
    detail: 'The subject has as many passkeys as this integration allows.',
    errors: [{ pointer: '', code, detail: PASSKEY_FAULTS[code].meaning }],
  });
}
