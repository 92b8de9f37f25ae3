import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { DSA_ENCODING, type SignatureEncoding } from './signature-encoding.js';

/** A public key of P-256 that was proven to be a point of the curve. */
export class P256PublicKey {
  /** SEC1 compressed: 66 lowercase hex digits. The same for one key however it was written, so compare by it. */
  readonly compressedHex: string;
  /** SEC1 uncompressed: 65 bytes. */
  readonly uncompressed: Uint8Array;
  /** Made for the first signature to verify, because most keys are only compared. */
  #key: KeyObject | undefined;

  /** Use {@link decodePublicKey}: nothing is checked here. */
  constructor(compressedHex: string, uncompressed: Uint8Array) {
    this.compressedHex = compressedHex;
    this.uncompressed = uncompressed;
  }

  /**
   * ECDSA with SHA-256 over the exact bytes given. Takes either value of s, as every peer does; false for
   * anything that is no signature.
   */
  verify(message: Uint8Array, signature: Uint8Array, encoding: SignatureEncoding): boolean {
    this.#key ??= createPublicKey({ key: publicJwk(this.uncompressed), format: 'jwk' });
    return verify('sha256', message, { key: this.#key, dsaEncoding: DSA_ENCODING[encoding] }, signature);
  }
}

/** @param uncompressed 65 bytes. @returns the key as RFC 7518 §6.2.1 spells it. */
export function publicJwk(uncompressed: Uint8Array) {
  const text = (from: number, to: number) =>
    Buffer.from(uncompressed.subarray(from, to)).toString('base64url');
  return { kty: 'EC', crv: 'P-256', x: text(1, 33), y: text(33, 65) };
}

/**
 * Reads a public key as peers write them: hex in either case, without `0x`, of the SEC1 compressed (33 bytes) or
 * uncompressed (65 bytes) form (SEC1 §2.3.4).
 *
 * @returns undefined for anything else, a point off the curve above all.
 */
export function decodePublicKey(text: unknown): P256PublicKey | undefined {
  if (typeof text !== 'string' || !/^(0[23][0-9a-f]{64}|04[0-9a-f]{128})$/i.test(text)) return undefined;
  try {
    const point = p256.Point.fromHex(text.toLowerCase());
    return new P256PublicKey(point.toHex(true), point.toBytes(false));
  } catch {
    return undefined;
  }
}
