import type { P256PublicKey } from '../public-key.js';
import { expiryOf, openToken, textClaims } from './compact-token.js';

/** The enclave's statement that a code was correct, after a check of its signature. */
export interface VerificationToken {
  /** Client signatures contain this id as `tokenId`. */
  id: string;
  organizationId: string;
  /** E.g. `OTP_TYPE_EMAIL`. */
  verificationType: string;
  /** The e-mail address or phone number that got the code. */
  contact: string;
  /** The session's public key, in the hex form that was encrypted with the code. */
  publicKey: string;
  expiresAt: Date;
}

const PROOF = 'verification token';

/**
 * Reads a verification token (Turnkey public API, verify OTP): a JWT with ES256, except that `exp` is a text
 * with epoch milliseconds.
 *
 * @param nowMs Unix time in milliseconds.
 * @throws InvalidProofError `malformed`, `wrong_algorithm`, `bad_signature`, `missing_claims` or `expired`.
 */
export function readVerificationToken(
  token: string,
  signer: P256PublicKey,
  nowMs: number,
): VerificationToken {
  const claims = openToken(PROOF, token, (input, signature) => signer.verify(input, signature, 'raw'));
  const text = textClaims(PROOF, claims, [
    'id',
    'organization_id',
    'verification_type',
    'contact',
    'public_key',
    'exp',
  ]);
  return {
    id: text.id,
    organizationId: text.organization_id,
    verificationType: text.verification_type,
    contact: text.contact,
    publicKey: text.public_key,
    // `Number` would also accept '', ' 1e3 ' and '0x10'.
    expiresAt: expiryOf(PROOF, /^[0-9]+$/.test(text.exp) ? Number(text.exp) : Number.NaN, nowMs),
  };
}
