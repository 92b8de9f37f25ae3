import { inspect } from 'node:util';
import { p256 } from '@noble/curves/nist.js';
import { Secret } from '#libs/kernel';
import { InvalidKeyError } from './invalid-key-error.js';
import { decodeKeyMaterial, type Jwk } from './key-material.js';

/** A private key as configuration holds it: hex, PKCS#8 PEM or JWK. */
export type KeyMaterial = Secret | string | Jwk;

/** A private key of P-256 that was proven to be one. It prints as its public key only. */
export class P256PrivateKey {
  /** SEC1 compressed, 33 bytes. */
  readonly publicKey: Uint8Array;
  readonly #scalar: Uint8Array;

  /** Use {@link parsePrivateKey}: nothing is checked here. */
  constructor(scalar: Uint8Array, publicKey: Uint8Array) {
    this.#scalar = scalar;
    this.publicKey = publicKey;
  }

  /** The secret number: 32 bytes, big-endian, in 1 … n−1. For engines only. */
  revealScalar(): Uint8Array {
    return this.#scalar;
  }

  /** The key as RFC 7518 §6.2 has it, private number included. For engines only. */
  revealJwk(): { kty: 'EC'; crv: 'P-256'; d: string; x: string; y: string } {
    const point = p256.Point.fromBytes(this.publicKey).toBytes(false);
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');
    return {
      kty: 'EC',
      crv: 'P-256',
      d: text(this.#scalar),
      x: text(point.subarray(1, 33)),
      y: text(point.subarray(33)),
    };
  }

  [inspect.custom](): string {
    return `P256PrivateKey(${Buffer.from(this.publicKey).toString('hex')})`;
  }
}

/**
 * Reads a private key in any of its three forms and proves that it is one of P-256: @noble/curves checks the
 * number and derives the public key, which must be the one that the encoding claims, if it claims one.
 * OpenSSL would not do: it takes a PEM whose number is zero, above n, or of another key than its public half.
 *
 * @param source names the variable or file in errors.
 * @throws InvalidKeyError saying what is wrong, without a byte of the key.
 */
export function parsePrivateKey(material: KeyMaterial, source: string): P256PrivateKey {
  const { scalar, claimedPublicKey } = decodeKeyMaterial(
    material instanceof Secret ? material.reveal() : material,
    source,
  );
  if (!p256.utils.isValidSecretKey(scalar)) {
    const isZero = scalar.every((byte) => byte === 0);
    throw new InvalidKeyError(source, isZero ? 'it is zero' : 'it is not below the order n of P-256');
  }
  const publicKey = p256.getPublicKey(scalar, true);
  if (claimedPublicKey && !Buffer.from(p256.getPublicKey(scalar, false)).equals(claimedPublicKey)) {
    throw new InvalidKeyError(source, 'its public key does not belong to its private key');
  }
  return new P256PrivateKey(scalar, publicKey);
}
