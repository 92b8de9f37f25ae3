import { randomBytes } from 'node:crypto';
import { Secret } from '#libs/kernel';
import type { KeyedHash } from '#libs/platform';

const ID_BYTES = 10;
const SECRET_BYTES = 32;
const TOKEN = /^gw_([0-9a-f]{20})_([A-Za-z0-9_-]{43})$/;

/** Scanners for leaked secrets look for this prefix. */
export const TOKEN_PREFIX = 'gw_';

export interface ApiKeyToken {
  /** 20 hex digits. Not secret: it appears in lists and logs. */
  id: string;
  /** 32 bytes, base64url without padding (RFC 4648 §5). */
  secret: Secret;
}

export function newApiKeyToken(): ApiKeyToken {
  return {
    id: randomBytes(ID_BYTES).toString('hex'),
    secret: new Secret(randomBytes(SECRET_BYTES).toString('base64url')),
  };
}

/** @returns `gw_<id>_<secret>` */
export function tokenOf({ id, secret }: ApiKeyToken): Secret {
  return new Secret(`${TOKEN_PREFIX}${id}_${secret.reveal()}`);
}

/** @returns null if the text does not have exactly the form of an API key */
export function parseApiKeyToken(text: string): ApiKeyToken | null {
  const [, id, secret] = TOKEN.exec(text) ?? [];
  return id && secret ? { id, secret: new Secret(secret) } : null;
}

/**
 * @returns 32 bytes. The hash includes the id, so a hash that is copied to another key's row matches no
 *   token.
 */
export function hashOf({ id, secret }: ApiKeyToken, hash: KeyedHash): Buffer {
  return hash.digest('api key', `${id}\n${secret.reveal()}`);
}
