import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/**
 * Keyed hashes. Without `HASH_KEY`, an attacker cannot guess the content, as would be possible with a plain
 * hash of a code or a contact. Each purpose has its own key (HKDF-SHA-256, RFC 5869), so the same content
 * has different hashes for two purposes.
 */
export class KeyedHash {
  readonly #root: Buffer;
  /** A cache of the key objects by purpose: making a key object takes longer than a hash. */
  readonly #keys = new Map<string, KeyObject>();

  /** @param key 32 bytes. */
  constructor(key: Buffer) {
    this.#root = key;
  }

  /** @returns HMAC-SHA-256 (RFC 2104), 32 bytes. */
  of(purpose: string, content: string): Buffer {
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
