import { InvalidProofError, type Proof, type ProofFault } from './invalid-proof-error.js';
import { base64urlBytes, jsonObject } from './strict-decoding.js';

export type Claims = Record<string, unknown>;

/**
 * Reads a token in the compact form of RFC 7515 §7.1, signed with ES256 (RFC 7518 §3.4). The token cannot
 * choose another algorithm.
 *
 * @param isSigned receives the ASCII bytes of `header.payload`, and r‖s in 64 bytes. Turnkey does not sign
 *   all its tokens as the standard says.
 * @throws InvalidProofError `malformed`, `wrong_algorithm` or `bad_signature`.
 */
export function openToken(
  proof: Proof,
  token: string,
  isSigned: (signingInput: Uint8Array, signature: Uint8Array) => boolean,
): Claims {
  const refuse = (reason: ProofFault, detail: string): never => {
    throw new InvalidProofError(proof, reason, detail);
  };
  const [headerText, payloadText, signatureText, ...more] = token.split('.');
  const header = jsonObject(base64urlBytes(headerText));
  const claims = jsonObject(base64urlBytes(payloadText));
  const signature = base64urlBytes(signatureText);
  if (more.length > 0 || !header || !claims || !signature) {
    return refuse(
      'malformed',
      'it must be two JSON objects and a signature, in base64url without padding (=)',
    );
  }
  if (header['alg'] !== 'ES256') return refuse('wrong_algorithm', 'its alg is not ES256');
  if (signature.length !== 64) return refuse('malformed', 'its signature is not r‖s in 64 bytes');
  if (!isSigned(Buffer.from(`${headerText}.${payloadText}`, 'ascii'), signature)) {
    return refuse('bad_signature', 'its signature is not by the configured key');
  }
  return claims;
}

/** @throws InvalidProofError `missing_claims` that names the claims that are absent, empty or not a text. */
export function textClaims<Name extends string>(
  proof: Proof,
  claims: Claims,
  names: readonly Name[],
): Record<Name, string> {
  const missing = names.filter((name) => typeof claims[name] !== 'string' || claims[name] === '');
  if (missing.length > 0) {
    throw new InvalidProofError(proof, 'missing_claims', `it lacks ${missing.join(', ')}`);
  }
  return claims as Record<Name, string>;
}

/**
 * @returns the instant of expiry. At that instant the token has already expired (RFC 7519 §4.1.4).
 * @throws InvalidProofError `missing_claims` if `exp` is not an instant, `expired` if it has passed.
 */
export function expiryOf(proof: Proof, expiresAtMs: number, nowMs: number): Date {
  // A time after the year 5138 (1e14 ms) is in a wrong unit, and a token with it would never expire.
  if (!(expiresAtMs > 0 && expiresAtMs < 1e14)) {
    throw new InvalidProofError(proof, 'missing_claims', 'its exp is not a plausible time');
  }
  if (nowMs >= expiresAtMs) throw new InvalidProofError(proof, 'expired', 'it has expired');
  return new Date(expiresAtMs);
}
