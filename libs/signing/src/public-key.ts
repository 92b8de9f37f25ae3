import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { DSA_ENCODING, type SignatureEncoding } from './signature-encoding.js';

/** Proven to be a point on P-256. */
export class P256PublicKey {
  /** SEC1 compressed, 66 lowercase hex digits. Equal keys have the same text. */
  readonly compressedHex: string;
  /** SEC1 uncompressed: 65 bytes. */
  readonly uncompressed: Uint8Array;
  /** Made at the first verification, because most keys are only compared. */
  #key: KeyObject | undefined;

  /** Use {@link decodePublicKey}. This constructor checks nothing. */
  constructor(compressedHex: string, uncompressed: Uint8Array) {
    this.compressedHex = compressedHex;
    this.uncompressed = uncompressed;
  }

  /**
   * Verifies ECDSA with SHA-256 over exactly these bytes. Accepts a low and a high s, as the upstreams do.
   * @returns false also for bytes that are not a signature.
   */
  verify(message: Uint8Array, signature: Uint8Array, encoding: SignatureEncoding): boolean {
    this.#key ??= createPublicKey({ key: publicJwk(this.uncompressed), format: 'jwk' });
    return verify('sha256', message, { key: this.#key, dsaEncoding: DSA_ENCODING[encoding] }, signature);
  }
}

/** The key as a JWK (RFC 7518 §6.2.1). @param uncompressed 65 bytes. */
export function publicJwk(uncompressed: Uint8Array) {
  const text = (from: number, to: number) =>
    Buffer.from(uncompressed.subarray(from, to)).toString('base64url');
  return { kty: 'EC', crv: 'P-256', x: text(1, 33), y: text(33, 65) };
}

/**
 * Reads hex without `0x`: SEC1 compressed (33 bytes) or uncompressed (65 bytes, §2.3.4).
 *
 * @returns undefined for any other text, and for a point that is not on the curve.
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
