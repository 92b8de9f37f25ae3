import type { KeyObject } from 'node:crypto';
import { generateP256, importCompressedPoint } from '../p256.js';

export type AccessScope = 'read_only' | 'read_write';

/** A credential of the integrator, as `whoami` shows it. */
export interface IntegratorKey {
  /** `0x` and the compressed SEC1 point in lower-case hex, as in X-Pubkey. */
  pubkey: string;
  accessScope: AccessScope;
  label: string | null;
  publicKey: KeyObject;
}

export const PUBKEY_PATTERN = /^0x0[23][0-9a-f]{64}$/;

/** Reads `0x…[:read_only|:read_write][:label]`. @throws Error naming what is wrong */
export function parseIntegratorKey(text: string): IntegratorKey {
  const [pubkey = '', ...rest] = text.trim().split(':');
  if (!PUBKEY_PATTERN.test(pubkey)) {
    throw new Error(
      `"${pubkey}" is not a public key: give 0x and a compressed P-256 point, 33 bytes of lower-case hex`,
    );
  }
  const scoped = rest[0] === 'read_only' || rest[0] === 'read_write';
  const accessScope = scoped ? (rest.shift() as AccessScope) : 'read_write';
  return { pubkey, accessScope, label: rest.join(':') || null, publicKey: toKeyObject(pubkey) };
}

/** For a sandbox without configured keys. The private key has 64 hex digits. */
export function generateCredential(): { privateKeyHex: string; pubkey: string } {
  const { privateKeyHex, compressed } = generateP256();
  return { privateKeyHex, pubkey: `0x${compressed}` };
}

function toKeyObject(pubkey: string): KeyObject {
  try {
    return importCompressedPoint(pubkey.slice(2));
  } catch (cause) {
    throw new Error(`"${pubkey}" is not a point of the curve P-256`, { cause });
  }
}
