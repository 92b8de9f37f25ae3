import { randomUUID } from 'node:crypto';
import type { ApiKey, TurnkeyUser } from './organizations.js';

/** The maximum number of expiring API keys per user. One more login evicts a key. */
export const EXPIRING_KEYS_PER_USER = 10;

/** The key of a login session. It may stamp requests for its user. */
export interface SessionKey {
  /** Compressed SEC1 point, hex without 0x. */
  publicKey: string;
  expiresAtMs: number;
  /** Ends all other sessions of the user. */
  invalidateExisting: boolean;
}

/**
 * If the user has too many keys, first removes expired keys, then the oldest one.
 *
 * @param nowMs milliseconds since the Unix epoch
 */
export function registerSessionKey(user: TurnkeyUser, session: SessionKey, nowMs: number): void {
  const { publicKey, expiresAtMs, invalidateExisting } = session;
  const lasting = user.apiKeys.filter((key) => key.expiresAtMs === null);
  let expiring = user.apiKeys.filter((key) => key.expiresAtMs !== null && key.publicKey !== publicKey);
  if (invalidateExisting) expiring = [];
  if (expiring.length >= EXPIRING_KEYS_PER_USER) expiring = expiring.filter((key) => isLive(key, nowMs));
  expiring = expiring.slice(-(EXPIRING_KEYS_PER_USER - 1));
  const key = {
    publicKey,
    name: `Session ${publicKey}`,
    type: 'LOGIN',
    createdAtMs: nowMs,
    expiresAtMs,
  } as const;
  user.apiKeys = [...lasting, ...expiring, newApiKey(key)];
}

export function newApiKey(key: Omit<ApiKey, 'apiKeyId'>): ApiKey {
  return { apiKeyId: randomUUID(), ...key };
}

export function isLive({ expiresAtMs }: ApiKey, nowMs: number): boolean {
  return expiresAtMs === null || expiresAtMs > nowMs;
}
