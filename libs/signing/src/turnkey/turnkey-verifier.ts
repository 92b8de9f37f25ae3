import { InvalidKeyError } from '../invalid-key-error.js';
import { decodePublicKey, type P256PublicKey } from '../public-key.js';
import { PRODUCTION_ENCLAVE_KEYS } from './enclave-keys.js';
import { readOtpTarget, type OtpTarget } from './otp-target.js';
import { readSessionToken, type SessionToken } from './session-token.js';
import { readVerificationToken, type VerificationToken } from './verification-token.js';

/** Reads texts that Turnkey's enclaves signed, and checks their signatures. */
export interface TurnkeyVerifier {
  otpTarget(bundle: string): OtpTarget;
  verificationToken(token: string, nowMs: number): VerificationToken;
  sessionToken(token: string, nowMs: number): SessionToken;
}

/**
 * Parses the enclaves' public keys (hex). The defaults are Turnkey's production keys.
 *
 * @throws InvalidKeyError that names the invalid key.
 */
export function turnkeyVerifier(
  keys: { signerPublicKey?: string | undefined; notarizerPublicKey?: string | undefined } = {},
): TurnkeyVerifier {
  const signer = parse(keys.signerPublicKey ?? PRODUCTION_ENCLAVE_KEYS.signer, 'signerPublicKey');
  const notarizer = parse(keys.notarizerPublicKey ?? PRODUCTION_ENCLAVE_KEYS.notarizer, 'notarizerPublicKey');
  return {
    otpTarget: (bundle) => readOtpTarget(bundle, signer),
    verificationToken: (token, nowMs) => readVerificationToken(token, signer, nowMs),
    sessionToken: (token, nowMs) => readSessionToken(token, notarizer, nowMs),
  };
}

function parse(hex: string, source: string): P256PublicKey {
  const key = decodePublicKey(hex);
  if (!key) {
    throw new InvalidKeyError(source, 'give 66 or 130 hex digits (without 0x) of a point of P-256', 'public');
  }
  return key;
}
