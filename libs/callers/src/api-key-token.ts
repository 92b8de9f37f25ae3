import { randomBytes } from 'node:crypto';
import { Secret } from '#libs/kernel';
import type { KeyedHash } from '#libs/platform';

const ID_BYTES = 10;
const SECRET_BYTES = 32;
const TOKEN = /^gw_([0-9a-f]{20})_([A-Za-z0-9_-]{43})$/;

/** What every API key begins with, so that scanners for leaked secrets know one. */
export const TOKEN_PREFIX = 'gw_';

export interface ApiKeyToken {
  /** 20 hex digits: may be seen, and stands in lists and logs. */
  id: string;
  /** 32 bytes, base64url without padding (RFC 4648 §5). */
  secret: Secret;
}

/** A key that nobody has seen yet. */
export function newApiKeyToken(): ApiKeyToken {
  return {
    id: randomBytes(ID_BYTES).toString('hex'),
    secret: new Secret(randomBytes(SECRET_BYTES).toString('base64url')),
  };
}

/** The whole token, as its caller sends it: `gw_<id>_<secret>`. */
export function tokenOf({ id, secret }: ApiKeyToken): Secret {
  return new Secret(`${TOKEN_PREFIX}${id}_${secret.reveal()}`);
}

/** @returns null for what has not exactly the form of a key. */
export function parseApiKeyToken(text: string): ApiKeyToken | null {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id && secret ? { id, secret: new Secret(secret) } : null;
}

/**
 * What is stored of a key. The id is part of it: a hash that was copied to another row opens nothing.
 *
 * @returns 32 bytes.
 */
export function hashOf({ id, secret }: ApiKeyToken, hash: KeyedHash): Buffer {
  return hash.of('api key', `${id}\n${secret.reveal()}`);
}
