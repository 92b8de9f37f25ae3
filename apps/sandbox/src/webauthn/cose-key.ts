import { createPublicKey } from 'node:crypto';
import type { JsonWebKey, KeyObject } from 'node:crypto';

/** COSE's ES256 and RS256, the only passkey algorithms that the providers accept. */
export type CoseAlgorithm = -7 | -257;

const KTY = 1;
const ALG = 3;
// The meaning of a negative COSE label depends on the key type (RFC 9053, 7.1.1; RFC 8230, 4).
const EC2 = { kty: 2, crv: -1, x: -2, y: -3, p256: 1 };
const RSA = { kty: 3, n: -1, e: -2 };
const MIN_RSA_BITS = 2048;

/** @throws Error for another algorithm, a point off the curve, or a key that is malformed or too short */
export function importCoseKey(cose: Map<unknown, unknown>): {
  algorithm: CoseAlgorithm;
  publicKey: KeyObject;
} {
  const algorithm = cose.get(ALG);
  if (algorithm === -7) return { algorithm, publicKey: importEc(cose) };
  if (algorithm === -257) return { algorithm, publicKey: importRsa(cose) };
  throw new Error(`algorithm ${String(algorithm)} is not allowed`);
}

function importEc(cose: Map<unknown, unknown>): KeyObject {
  if (cose.get(KTY) !== EC2.kty || cose.get(EC2.crv) !== EC2.p256)
    throw new Error('ES256 key is not on P-256');
  const [x, y] = [bytesOf(cose, EC2.x), bytesOf(cose, EC2.y)];
  if (x.length !== 32 || y.length !== 32) throw new Error('ES256 key has coordinates of a bad length');
  return importJwk({ kty: 'EC', crv: 'P-256', x: x.toString('base64url'), y: y.toString('base64url') });
}

function importRsa(cose: Map<unknown, unknown>): KeyObject {
  if (cose.get(KTY) !== RSA.kty) throw new Error('RS256 key is not an RSA key');
  const [n, e] = [bytesOf(cose, RSA.n), bytesOf(cose, RSA.e)];
  const key = importJwk({ kty: 'RSA', n: n.toString('base64url'), e: e.toString('base64url') });
  if ((key.asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS)
    throw new Error('RS256 key is too short');
  return key;
}

function importJwk(jwk: JsonWebKey): KeyObject {
  try {
    // OpenSSL refuses a point that is not on the curve.
    return createPublicKey({ format: 'jwk', key: jwk });
  } catch (cause) {
    throw new Error('public key is not valid', { cause });
  }
}

function bytesOf(cose: Map<unknown, unknown>, label: number): Buffer {
  const value = cose.get(label);
  if (!(value instanceof Uint8Array)) throw new Error('public key lacks a part');
  return Buffer.from(value);
}
