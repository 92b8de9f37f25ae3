import { createPrivateKey, createPublicKey, ECDH, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** A P-256 key pair. All hex is lower case, without 0x. */
export interface P256KeyPair {
  privateKey: KeyObject;
  /** The scalar, 32 bytes. */
  privateKeyHex: string;
  /** Compressed SEC1 point, 33 bytes. */
  compressed: string;
  /** Uncompressed SEC1 point, 65 bytes. */
  uncompressed: string;
}

/** A compressed SEC1 point as hex, without 0x. */
export const COMPRESSED_POINT = /^0[23][0-9a-f]{64}$/;

export function generateP256(): P256KeyPair {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return describe(privateKey);
}

/**
 * @param privateKeyHex 64 hex digits
 * @throws Error if they are not a scalar of the curve
 */
export function p256FromScalar(privateKeyHex: string): P256KeyPair {
  if (!/^[0-9a-fA-F]{64}$/.test(privateKeyHex)) throw new Error('not a private key: give 64 hex digits');
  try {
    // SEC1 (RFC 5915) without the public point, which OpenSSL computes.
    const der = Buffer.from(`30310201010420${privateKeyHex}a00a06082a8648ce3d030107`, 'hex');
    return describe(createPrivateKey({ key: der, format: 'der', type: 'sec1' }));
  } catch (cause) {
    throw new Error('the private key is not a scalar of the curve P-256', { cause });
  }
}

/**
 * @param hex a compressed SEC1 point, without 0x
 * @throws Error if it is not a point of the curve
 */
export function importCompressedPoint(hex: string): KeyObject {
  try {
    const point = ECDH.convertKey(hex, 'prime256v1', 'hex', undefined, 'uncompressed') as Buffer;
    const [x, y] = [point.subarray(1, 33), point.subarray(33, 65)].map((half) => half.toString('base64url'));
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' } });
  } catch (cause) {
    throw new Error(`"${hex}" is not a point of the curve P-256`, { cause });
  }
}

function describe(privateKey: KeyObject): P256KeyPair {
  const jwk = privateKey.export({ format: 'jwk' });
  const [d, x, y] = [jwk.d, jwk.x, jwk.y].map((part) => Buffer.from(part ?? '', 'base64url').toString('hex'));
  const uncompressed = `04${x}${y}`;
  const compressed = ECDH.convertKey(uncompressed, 'prime256v1', 'hex', 'hex', 'compressed') as string;
  return { privateKey, privateKeyHex: d ?? '', compressed, uncompressed };
}
