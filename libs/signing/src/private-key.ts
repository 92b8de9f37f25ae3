import { createPrivateKey, sign } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { Secret } from '#libs/kernel';
import { InvalidKeyError } from './invalid-key-error.js';
import { decodeKeyMaterial } from './key-material.js';
import { publicJwk } from './public-key.js';
import type { SigningKey } from './request-signer.js';
import { DSA_ENCODING } from './signature-encoding.js';

/**
 * Reads a private key (hex, PKCS#8 PEM or JWK) of P-256. @noble/curves checks it, because OpenSSL accepts a
 * PEM whose number is zero, above n, or does not fit its public key.
 *
 * @throws InvalidKeyError that contains no byte of the key.
 */
export function parsePrivateKey(privateKey: Secret, source: string): SigningKey {
  const { scalar, claimedPublicKey } = decodeKeyMaterial(privateKey.reveal(), source);
  if (!p256.utils.isValidSecretKey(scalar)) {
    const isZero = scalar.every((byte) => byte === 0);
    throw new InvalidKeyError(source, isZero ? 'it is zero' : 'it is not below the order n of P-256');
  }
  const point = p256.getPublicKey(scalar, false);
  if (claimedPublicKey && !Buffer.from(point).equals(claimedPublicKey)) {
    throw new InvalidKeyError(source, 'its public key does not belong to its private key');
  }
  return signingKeyOf(scalar, point);
}

/** A key that signs with node:crypto: in constant time, with a random nonce, s not normalized. */
function signingKeyOf(scalar: Uint8Array, point: Uint8Array): SigningKey {
  const jwk = { ...publicJwk(point), d: Buffer.from(scalar).toString('base64url') };
  // Parsing the key for each signature would double the time of signing.
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  return {
    publicKeyCompressedHex: p256.Point.fromBytes(point).toHex(true),
    sign: (message, encoding = 'der') =>
      // Options are slow, because Node.js throws and catches two errors. DER, the default, needs none.
      sign('sha256', message, encoding === 'der' ? key : { key, dsaEncoding: DSA_ENCODING[encoding] }),
  };
}

/** @returns a new private key for {@link parsePrivateKey}: 64 hex digits (FIPS 186-5 §A.2.1). */
export function newPrivateKey(): Secret {
  return new Secret(Buffer.from(p256.utils.randomSecretKey()).toString('hex'));
}
