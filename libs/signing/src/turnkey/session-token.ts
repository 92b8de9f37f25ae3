import { createHash } from 'node:crypto';
import type { P256PublicKey } from '../public-key.js';
import { expiryOf, openToken, textClaims } from './compact-token.js';

/** The owner and the expiry of a session. The token gives no access: stamps by the key that it names do. */
export interface SessionToken {
  /** The session key, in the hex form given at login. */
  publicKey: string;
  /** E.g. `SESSION_TYPE_READ_WRITE`. */
  sessionType: string;
  userId: string;
  organizationId: string;
  expiresAt: Date;
}

const PROOF = 'session token';

/**
 * Reads the `session` of a login (Turnkey public API, OTP login). It looks like a JWT but is not one: its
 * signature covers SHA-256 of SHA-256 of `header.payload`, which every JWT library refuses. `exp` is a
 * number of epoch seconds.
 *
 * @param notarizer the enclave's key that signs sessions.
 * @param nowMs Unix time in milliseconds.
 * @throws InvalidProofError `malformed`, `wrong_algorithm`, `bad_signature`, `missing_claims` or `expired`.
 */
export function readSessionToken(token: string, notarizer: P256PublicKey, nowMs: number): SessionToken {
  const claims = openToken(PROOF, token, (input, signature) => {
    // ECDSA itself makes the second hash.
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
