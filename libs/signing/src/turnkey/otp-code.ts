import type { Secret } from '#libs/kernel';
import { decodePublicKey } from '../public-key.js';
import { encryptToEnclave } from './hpke.js';
import type { OtpTarget } from './otp-target.js';

/**
 * Makes the `encryptedOtpBundle` (Turnkey public API, verify OTP; RFC 9180 §5.1.1) from the code and the
 * public key that the verification token will be bound to. Keep the result: each call returns another text,
 * and Turnkey counts another text as another try of the code.
 *
 * @param publicKeyHex the session key's public half: compressed, 66 hex digits
 * @returns JSON with `encappedPublic` and `ciphertext`, both hex
 * @throws RangeError if publicKeyHex is not such a key
 */
export async function encryptOtpCode(target: OtpTarget, code: Secret, publicKeyHex: string): Promise<string> {
  const publicKey = decodePublicKey(publicKeyHex)?.compressedHex;
  if (publicKey !== publicKeyHex) {
    throw new RangeError('publicKeyHex must be a compressed P-256 key in lowercase hex');
  }
  const plaintext = Buffer.from(JSON.stringify({ otp_code: code.reveal(), public_key: publicKey }));
  return encryptToEnclave(target.publicKey.uncompressed, plaintext);
}
