import { createHash } from 'node:crypto';
import type { P256PublicKey } from '../public-key.js';
import { expiryOf, openToken, textClaims } from './compact-token.js';

/** The token alone gives no access: the session's key must sign each request. */
export interface SessionToken {
  /** In the same hex form as in the login request. */
  publicKey: string;
  /** E.g. `SESSION_TYPE_READ_WRITE`. */
  sessionType: string;
  userId: string;
  organizationId: string;
  expiresAt: Date;
}

const PROOF = 'session token';

/**
 * Reads the `session` of a login (Turnkey public API, OTP login). It is like a JWT, but its signature covers
 * `header.payload` hashed twice with SHA-256. `exp` is in epoch seconds.
 *
 * @param nowMs Unix time in milliseconds.
 * @throws InvalidProofError `malformed`, `wrong_algorithm`, `bad_signature`, `missing_claims` or `expired`.
 */
export function readSessionToken(token: string, notarizer: P256PublicKey, nowMs: number): SessionToken {
  const claims = openToken(PROOF, token, (input, signature) => {
    // ECDSA itself computes the second hash.
    const once = createHash('sha256').update(input).digest();
    return notarizer.verify(once, signature, 'raw');
  });
  const text = textClaims(PROOF, claims, ['public_key', 'session_type', 'user_id', 'organization_id']);
  const { exp } = claims;
  return {
    publicKey: text.public_key,
    sessionType: text.session_type,
    userId: text.user_id,
    organizationId: text.organization_id,
    expiresAt: expiryOf(PROOF, typeof exp === 'number' ? exp * 1000 : Number.NaN, nowMs),
  };
}
