import { PASSKEY_FAULTS, ProblemError, type PasskeyFaultCode } from '#libs/kernel';

export type AttestationCode = PasskeyFaultCode;
export const ATTESTATION_CODES = Object.keys(PASSKEY_FAULTS) as AttestationCode[];

export class PreflightError extends Error {
  constructor(
    readonly code: AttestationCode,
    detail: string = PASSKEY_FAULTS[code].meaning,
  ) {
    super(detail);
    this.name = 'PreflightError';
  }
}

/** @throws PreflightError with the given code */
export function check(holds: boolean, code: AttestationCode): asserts holds {
  if (!holds) throw new PreflightError(code);
}

/**
 * Hides the error that `work` throws, because the message of a decoder shows internals.
 * @throws PreflightError with the given code
 */
export function decoding<T>(code: AttestationCode, work: () => T): T {
  try {
    return work();
  } catch {
    throw new PreflightError(code);
  }
}

export interface AttestationFault {
  index: number;
  code: AttestationCode;
  detail?: string;
}

/**
 * @param signed whether the user's device signed the request, in which no JSON pointer can name a single
 *   passkey
 */
export function attestationInvalid(faults: AttestationFault[], signed: boolean): ProblemError {
  return new ProblemError('attestation_invalid', {
    detail: 'A passkey failed a check (see errors). Nothing was sent to the provider.',
    errors: faults.map(({ index, code, detail = PASSKEY_FAULTS[code].meaning }) =>
      signed
        ? { pointer: '/device', code, detail: `Passkey ${index + 1} of the device’s request: ${detail}` }
        : { pointer: `/authenticators/${index}`, code, detail },
    ),
  });
}

export function noRoomForAuthenticators(): ProblemError {
  const code = 'too_many_authenticators';
  return new ProblemError('attestation_invalid', {
    detail: 'The subject has as many passkeys as this integration allows.',
    errors: [{ pointer: '', code, detail: PASSKEY_FAULTS[code].meaning }],
  });
}
