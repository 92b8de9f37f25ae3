import { ProblemError } from '#libs/kernel';

/** Every check that a passkey can fail, and what is said then. */
const FAULTS = {
  client_data_malformed: 'The client data is no JSON object, or one with a member twice.',
  type_mismatch: 'The client data is not of a registration.',
  challenge_mismatch:
    'The challenge was not issued for this onboarding, was used, is too old, or was tried five times.',
  origin_not_allowed: 'The origin is none that this integration allows.',
  cross_origin_not_allowed: 'The passkey was made in a frame of another origin.',
  top_origin_not_allowed: 'The client data names the page around a frame, where no frame is allowed.',
  attestation_too_large: 'The attestation object is larger than 16384 bytes.',
  attestation_malformed:
    'The attestation object is no CBOR map of fmt, attStmt and authData, or holds more than an authenticator needs.',
  attestation_trailing_bytes: 'The attestation object goes on after its end.',
  authenticator_data_malformed: 'The authenticator data cannot be read.',
  authenticator_data_trailing_bytes: 'The authenticator data goes on after its end.',
  attested_credential_missing: 'The authenticator data has no credential in it.',
  rp_id_mismatch: 'The passkey is of another relying party.',
  user_not_present: 'Nobody touched the authenticator.',
  user_not_verified: 'The authenticator did not verify its user.',
  backup_state_invalid: 'The passkey is backed up, and cannot be: its flags contradict each other.',
  algorithm_not_allowed: 'The key’s algorithm is none that this integration allows.',
  public_key_malformed:
    'The public key is none of its algorithm, has more in it, or is RSA of a size that is not taken.',
  credential_not_discoverable: 'The passkey can only be found by its id, and this integration wants others.',
  attestation_format_unknown: 'The attestation is of a format that cannot be verified here.',
  attestation_statement_unexpected: 'The attestation is of format none, and has a statement.',
  attestation_not_trusted: 'The attestation’s certificates do not lead to a root of its format.',
  attestation_not_verified: 'The attestation statement does not verify.',
  attestation_required: 'This integration takes a passkey only with a certificate for its model.',
  aaguid_denied: 'This integration does not take authenticators of this model.',
  aaguid_not_allowed: 'The model is none that this integration takes.',
  credential_id_too_short: 'The credential id is shorter than 16 bytes.',
  credential_id_too_long: 'The credential id is longer than 1023 bytes.',
  credential_id_mismatch: 'The credential id is not the one that the authenticator data names.',
  credential_duplicate: 'Each passkey needs a challenge of its own, and is given once.',
  // Says nothing of whose it is.
  credential_already_registered: 'A passkey with this credential id is registered already.',
  too_many_authenticators: 'The subject would have more passkeys than this integration allows.',
  upstream_refused: 'The provider did not accept the passkey.',
} as const;

export type AttestationCode = keyof typeof FAULTS;
export const ATTESTATION_CODES = Object.keys(FAULTS) as AttestationCode[];

/** A check that a passkey did not pass. */
export class PreflightError extends Error {
  constructor(
    readonly code: AttestationCode,
    detail: string = FAULTS[code],
  ) {
    super(detail);
    this.name = 'PreflightError';
  }
}

/** @throws PreflightError where it does not hold. */
export function check(holds: boolean, code: AttestationCode): asserts holds {
  if (!holds) throw new PreflightError(code);
}

/** A decoder's own words name its insides; ours name the fault. @throws PreflightError */
export function decoding<T>(code: AttestationCode, work: () => T): T {
  try {
    return work();
  } catch {
    throw new PreflightError(code);
  }
}

/** A passkey that did not pass, and where. */
export interface AttestationFault {
  /** Its place in the submission. */
  index: number;
  code: AttestationCode;
  /** Instead of the code's own. */
  detail?: string;
}

/**
 * One problem for all that is wrong with a submission's passkeys.
 *
 * @param signed whether they came in what the user's device signed: the submission has no list to point into then.
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

/** Before any passkey is made: the subject has as many as it may have. */
export function noRoomForAuthenticators(): ProblemError {
  const code = 'too_many_authenticators';
  return new ProblemError('attestation_invalid', {
    detail: 'The subject has as many passkeys as this integration allows.',
    errors: [{ pointer: '', code, detail: FAULTS[code] }],
  });
}
