import { createPublicKey, ECDH, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export type AccessScope = 'read_only' | 'read_write';

/** One credential of the integrator, as `whoami` shows it. */
export interface IntegratorKey {
  /** `0x` and the compressed SEC1 point in lower-case hex, as in X-Pubkey. */
  pubkey: string;
  accessScope: AccessScope;
  label: string | null;
  publicKey: KeyObject;
}

/** X-Pubkey as Byzantine writes it: lower case, compressed. */
export const PUBKEY_PATTERN = /^0x0[23][0-9a-f]{64}$/;

/**
 * Reads one key of the configuration: `0x…[:read_only|:read_write][:label]`.
 *
 * @throws Error naming what is wrong with the text
 */
export function parseIntegratorKey(text: string): IntegratorKey {
  const [pubkey = '', ...rest] = text.trim().split(':');
  if (!PUBKEY_PATTERN.test(pubkey)) {
    throw new Error(
      `"${pubkey}" is no public key: 0x and 33 bytes of a compressed P-256 point in lower-case hex are needed`,
    );
  }
  const scoped = rest[0] === 'read_only' || rest[0] === 'read_write';
  const accessScope = scoped ? (rest.shift() as AccessScope) : 'read_write';
  return { pubkey, accessScope, label: rest.join(':') || null, publicKey: toKeyObject(pubkey) };
}

/** A fresh P-256 key pair, for a sandbox that was given no key: the private scalar as 64 hex digits, and X-Pubkey. */
export function generateCredential(): { privateKeyHex: string; pubkey: string } {
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  const [d, x, y] = [jwk.d, jwk.x, jwk.y].map((part) => Buffer.from(part ?? '', 'base64url').toString('hex'));
  const pubkey = `0x${ECDH.convertKey(`04${x}${y}`, 'prime256v1', 'hex', 'hex', 'compressed') as string}`;
  return { privateKeyHex: d ?? '', pubkey };
}

function toKeyObject(pubkey: string): KeyObject {
  try {
    const point = ECDH.convertKey(pubkey.slice(2), 'prime256v1', 'hex', undefined, 'uncompressed') as Buffer;
    const [x, y] = [point.subarray(1, 33), point.subarray(33, 65)].map((half) => half.toString('base64url'));
    return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' } });
  } catch (cause) {
    throw new Error(`"${pubkey}" is no point of the curve P-256`, { cause });
  }
}
