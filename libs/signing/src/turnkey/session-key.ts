import { randomBytes } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { Secret } from '#libs/kernel';
import { loadSigningKey, type SigningEngineName, type SigningKey } from '../key-ring.js';
import { parsePrivateKey } from '../private-key.js';

/**
 * Makes the key pair of one session: 32 random bytes, drawn again in the one case in 2^32 that they are no key
 * (FIPS 186-5 §A.2.2).
 *
 * @param random gives as many random bytes as asked for; for tests.
 * @returns the key, and its private half as 64 hex digits, for the caller to seal.
 */
export function newSessionKey(
  engine: SigningEngineName,
  random: (size: number) => Uint8Array = randomBytes,
): { key: SigningKey; privateKey: Secret } {
  let scalar: Uint8Array;
  do scalar = random(32);
  while (!p256.utils.isValidSecretKey(scalar));
  const privateKey = new Secret(Buffer.from(scalar).toString('hex'));
  return { key: openSessionKey(privateKey, engine), privateKey };
}

/**
 * Opens the key of a session again. The engines do not check each other on it, as they do at boot: that costs some
 * 10 ms of the event loop, and they have agreed on this deployment's own keys.
 *
 * @param privateKey as {@link newSessionKey} gave it.
 * @throws InvalidKeyError where it is no private key of P-256.
 */
export function openSessionKey(privateKey: Secret, engine: SigningEngineName): SigningKey {
  return loadSigningKey('session', parsePrivateKey(privateKey, 'the session key'), engine);
}
