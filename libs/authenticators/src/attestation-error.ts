import { ProblemError } from '#libs/kernel';

/** Every check that a passkey can fail, and its error text. */
const FAULTS = {
  client_data_malformed: 'The client data is not a JSON object, or has a member twice.',
  type_mismatch: 'The client data is not from a registration.',
  challenge_mismatch:
    'The challenge was not issued for this onboarding, was used, is too old, or was tried five times.',
  origin_not_allowed: 'This integration does not allow the origin.',
  cross_origin_not_allowed: 'The passkey was made in a frame of another origin.',
  top_origin_not_allowed: 'The client data names the page around a frame, but frames are not allowed.',
  attestation_too_large: 'The attestation object is larger than 16384 bytes.',
  attestation_malformed:
    'The attestation object is not a CBOR map of fmt, attStmt and authData, or holds too much.',
  attestation_trailing_bytes: 'The attestation object has extra bytes at its end.',
  authenticator_data_malformed: 'The authenticator data cannot be read.',
  authenticator_data_trailing_bytes: 'The authenticator data has extra bytes at its end.',
  attested_credential_missing: 'The authenticator data contains no credential.',
  rp_id_mismatch: 'The passkey belongs to another relying party.',
  user_not_present: 'The authenticator did not check that a user is present.',
  user_not_verified: 'The authenticator did not verify its user.',
  backup_state_invalid:
    'The flags contradict each other: the passkey is backed up, but not eligible for backup.',
  algorithm_not_allowed: 'This integration does not allow the key’s algorithm.',
  public_key_malformed:
    'The public key does not fit its algorithm, has extra members, or is RSA of an unsupported size.',
  credential_not_discoverable: 'The passkey is not discoverable, but this integration requires it.',
  attestation_format_unknown: 'The service cannot verify this attestation format.',
  attestation_statement_unexpected: 'The attestation has format none, but contains a statement.',
  attestation_not_trusted: 'The attestation’s certificates do not lead to a trusted root of its format.',
  attestation_not_verified: 'The attestation statement does not verify.',
  attestation_required: 'This integration accepts a passkey only with a certificate for its model.',
  aaguid_denied: 'This integration does not accept authenticators of this model.',
  aaguid_not_allowed: 'The model is not on the integration’s list of allowed models.',
  credential_id_too_short: 'The credential id is shorter than 16 bytes.',
  credential_id_too_long: 'The credential id is longer than 1023 bytes.',
  credential_id_mismatch: 'The credential id differs from the one in the authenticator data.',
  credential_duplicate: 'Each passkey needs its own challenge, and may be submitted only once.',
  // The text does not say which user has the passkey.
  credential_already_registered: 'A passkey with this credential id is registered already.',
  too_many_authenticators: 'The subject would have more passkeys than this integration allows.',
  upstream_refused: 'The provider did not accept the passkey.',
} as const;

export type AttestationCode = keyof typeof FAULTS;
export const ATTESTATION_CODES = Object.keys(FAULTS) as AttestationCode[];

/** A check that a passkey failed. */
export class PreflightError extends Error {
  constructor(
    readonly code: AttestationCode,
    detail: string = FAULTS[code],
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
 * Replaces the error of a decoder by our own error, because a decoder's error shows internals.
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
 * Makes one problem from the faults of all passkeys in a submission.
 *
 * @param signed whether the passkeys came in the request that the user's device signed. Then the submission
 *   has no list of passkeys that a pointer could point into.
 */
export function attestationInvalid(faults: AttestationFault[], signed: boolean): ProblemError {
  return new ProblemError('attestation_invalid', {
    detail: 'A passkey failed a check; errors says which. Nothing was sent to the provider.',
    errors: faults.map(({ index, code, detail = FAULTS[code] }) =>
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
    errors: [{ pointer: '', code, detail: FAULTS[code] }],
  });
}
