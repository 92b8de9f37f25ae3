import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/**
 * Computes hashes under `HASH_KEY`, so that an attacker cannot find a code or a contact by hashing guesses.
 * Each purpose has its own key (HKDF-SHA-256, RFC 5869).
 */
export class KeyedHash {
  readonly #root: Buffer;
  /** Making a key object takes longer than a hash. */
  readonly #keys = new Map<string, KeyObject>();

  /** @param key 32 bytes. */
  constructor(key: Buffer) {
    this.#root = key;
  }

  /** @returns HMAC-SHA-256 (RFC 2104), 32 bytes. */
  digest(purpose: string, content: string): Buffer {
    return createHmac('sha256', this.#keyOf(purpose)).update(content).digest();
  }

  #keyOf(purpose: string): KeyObject {
    const known = this.#keys.get(purpose);
    if (known) return known;
    const key = createSecretKey(Buffer.from(hkdfSync('sha256', this.#root, '', `gangway ${purpose}`, 32)));
    this.#keys.set(purpose, key);
    return key;
  }
}
