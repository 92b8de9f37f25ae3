import { createHash, createPublicKey, sign, verify } from 'node:crypto';
import type { P256KeyPair } from '../p256.js';
import { jsonObject } from './json-of.js';

/** Raw r‖s, 64 bytes, as JOSE requires (RFC 7518, 3.4). */
const dsaEncoding = 'ieee-p1363';

/** Makes an ES256 JWT with the header of Turnkey's verification tokens. */
export function mintJwt(claims: object, { privateKey }: P256KeyPair): string {
  const input = signingInput({ typ: 'JWT', alg: 'ES256' }, claims);
  const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding });
  return `${input}.${signature.toString('base64url')}`;
}

/**
 * As Turnkey's session tokens: an ES256 JWT whose text is hashed twice, so that a standard library refuses
 * it.
 */
export function mintDoubleHashedJwt(claims: object, { privateKey }: P256KeyPair): string {
  const input = signingInput({ alg: 'ES256', typ: 'JWT' }, claims);
  const once = createHash('sha256').update(input).digest();
  const signature = sign('sha256', once, { key: privateKey, dsaEncoding });
  return `${input}.${signature.toString('base64url')}`;
}

/** @returns null for a text that {@link mintJwt} did not sign with this key */
export function readJwt(jwt: string, { privateKey }: P256KeyPair): Record<string, unknown> | null {
  const [header = '', payload = '', signature = '', ...rest] = jwt.split('.');
  if (rest.length > 0) return null;
  const key = { key: createPublicKey(privateKey), dsaEncoding } as const;
  const signed = Buffer.from(`${header}.${payload}`);
  if (!verify('sha256', signed, key, Buffer.from(signature, 'base64url'))) return null;
  return jsonObject(Buffer.from(payload, 'base64url'));
}

function signingInput(header: object, claims: object): string {
  return [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
}
