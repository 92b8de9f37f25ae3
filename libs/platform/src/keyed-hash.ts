import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/**
 * Computes keyed hashes. An attacker without `HASH_KEY` cannot find a code or a contact by hashing guesses.
 * Each purpose has its own key (HKDF-SHA-256, RFC 5869), so two purposes give the same content different
 * hashes.
 */
export class KeyedHash {
  readonly #root: Buffer;
  /** A cache of the key objects by purpose, because making a key object takes longer than a hash. */
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
