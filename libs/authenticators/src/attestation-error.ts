import { ProblemError } from '#libs/kernel';

/** The check of WebAuthn's registration ceremony that a passkey did not pass. */
export const ATTESTATION_CODES = [
  'credential_malformed',
  'client_data_malformed',
  'type_mismatch',
  'challenge_mismatch',
  'origin_not_allowed',
  'cross_origin_not_allowed',
  'attestation_malformed',
  'rp_id_mismatch',
  'user_not_present',
  'user_not_verified',
  'credential_id_mismatch',
  'algorithm_not_allowed',
  'attestation_not_verified',
  'credential_duplicate',
  'credential_already_registered',
  'upstream_refused',
] as const;
export type AttestationCode = (typeof ATTESTATION_CODES)[number];

/** A passkey that did not pass, and where. */
export interface AttestationFault {
  /** Its place in the submission. */
  index: number;
  code: AttestationCode;
  detail: string;
}

/** One problem for all that is wrong with a submission's passkeys. */
export function attestationInvalid(faults: AttestationFault[]): ProblemError {
  return new ProblemError('attestation_invalid', {
    detail: 'A passkey failed a check; errors says which. Nothing was sent to the provider.',
    errors: faults.map(({ index, code, detail }) => ({ pointer: `/authenticators/${index}`, code, detail })),
  });
}
