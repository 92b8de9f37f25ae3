import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomFillSync,
  type KeyObject,
} from 'node:crypto';

export interface SealingKey {
  id: string;
  /** 32 bytes. */
  key: Buffer;
}

/** A value that is moved to another row or column cannot be decrypted. */
export interface SealedPlace {
  onboardingId: string;
  field: string;
}

const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * AES-256-GCM with a random 96-bit IV (NIST SP 800-38D §8.2.2), and the place as additional authenticated
 * data. A sealed value has the form `length of the key id (1 byte) ‖ key id ‖ IV ‖ ciphertext ‖ tag`. Keys
 * are `KeyObject`s, because making a key object takes longer than an encryption.
 */
export class Sealer {
  readonly #keys: ReadonlyMap<string, KeyObject>;
  readonly #current: { id: string; key: KeyObject };

  /** @param keys the first key encrypts. All keys decrypt. */
  constructor(keys: readonly (SealingKey | { id: string; key: KeyObject })[]) {
    const [first] = keys;
    if (!first) throw new Error('a sealer needs at least one key');
    this.#keys = new Map(keys.map(({ id, key }) => [id, Buffer.isBuffer(key) ? createSecretKey(key) : key]));
    this.#current = { id: first.id, key: this.#keys.get(first.id)! };
  }

  get currentId(): string {
    return this.#current.id;
  }

  /** The encrypting key comes first. */
  get ids(): string[] {
    return [...this.#keys.keys()];
  }

  /** @returns a sealer that encrypts with the given key, and also decrypts with the keys of this one. */
  behind(key: SealingKey): Sealer {
    return new Sealer([key, ...[...this.#keys].map(([id, each]) => ({ id, key: each }))]);
  }

  seal(place: SealedPlace, plaintext: string | Buffer): Buffer {
    const id = Buffer.from(this.#current.id);
    const iv = nextIv();
    const cipher = createCipheriv('aes-256-gcm', this.#current.key, iv);
    cipher.setAAD(boundTo(place));
    const bytes = typeof plaintext === 'string' ? Buffer.from(plaintext) : plaintext;
    const ciphertext = [cipher.update(bytes), cipher.final()];
    return Buffer.concat([Buffer.from([id.length]), id, iv, ...ciphertext, cipher.getAuthTag()]);
  }

  /** @throws Error if the key is not configured, or the value was changed or moved from another place. */
  open(place: SealedPlace, sealed: Buffer): string {
    return this.openBytes(place, sealed).toString('utf8');
  }

  /** @throws Error as {@link open} does. */
  openBytes(place: SealedPlace, sealed: Buffer): Buffer {
    const id = sealedBy(sealed);
    const idEnd = 1 + (sealed[0] ?? 0);
    const key = this.#keys.get(id);
    if (!key) throw new Error(`${place.field} is sealed with key "${id}", which SEALING_KEYS does not have`);
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(idEnd, idEnd + IV_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(boundTo(place));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const ciphertext = sealed.subarray(idEnd + IV_BYTES, -TAG_BYTES);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  }
}

export const sealedBy = (sealed: Buffer) => sealed.subarray(1, 1 + (sealed[0] ?? 0)).toString();

/** Each read of random bytes takes as long as an encryption, so one read serves many IVs. */
const ivs = Buffer.alloc(IV_BYTES * 256);
let usedBytes = ivs.length;

function nextIv(): Buffer {
  if (usedBytes === ivs.length) {
    randomFillSync(ivs);
    usedBytes = 0;
  }
  const iv = ivs.subarray(usedBytes, usedBytes + IV_BYTES);
  usedBytes += IV_BYTES;
  return iv;
}

function boundTo(place: SealedPlace): Buffer {
  return Buffer.from(`${place.onboardingId}/${place.field}`);
}
