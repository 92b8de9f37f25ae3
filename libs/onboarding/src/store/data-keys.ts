import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Sealer, sealedBy } from '#libs/platform';
import type { Onboarding } from '../flow/onboarding.entity.js';

/** The key id in values that a row's data key seals. No key of `SEALING_KEYS` can have such an id. */
export const OF_THE_ROW = '@row';

const KEY_BYTES = 32;

type Keyed = Pick<Onboarding, 'id' | 'sealedDataKey'>;

/**
 * A row's own data key seals its values, and a key of `SEALING_KEYS` seals the data key
 * (docs/decisions/0019).
 */
@Injectable()
export class DataKeys {
  /** Keyed by the Buffer of the sealed data key, so that the decrypted key is freed together with the row. */
  readonly #opened = new WeakMap<Buffer, { id: string; sealer: Sealer }>();

  constructor(private readonly ring: Sealer) {}

  fresh(onboardingId: string): {
    patch: { sealedDataKey: Buffer; dataKeyId: string };
    sealer: Sealer;
  } {
    const key = randomBytes(KEY_BYTES);
    const patch = this.#wrapped(onboardingId, key);
    return { patch, sealer: this.#keep(onboardingId, patch.sealedDataKey, this.#sealerWith(key)) };
  }

  /**
   * @returns a sealer with the row's data key, which also opens what `SEALING_KEYS` has sealed.
   * @throws Error if `SEALING_KEYS` lacks the key that seals the data key.
   */
  sealerOf({ id, sealedDataKey }: Keyed): Sealer {
    if (sealedDataKey === null) return this.ring;
    const opened = this.#opened.get(sealedDataKey);
    if (opened?.id === id) return opened.sealer;
    return this.#keep(id, sealedDataKey, this.#sealerWith(this.#unwrapped(id, sealedDataKey)));
  }

  /** Reuses the decrypted key of an earlier read of the row, unless the key has changed. */
  handOver(earlier: Keyed, later: Keyed): void {
    const [from, to] = [earlier.sealedDataKey, later.sealedDataKey];
    const opened = from && this.#opened.get(from);
    if (opened?.id === later.id && to?.equals(from!)) this.#opened.set(to, opened);
  }

  /**
   * @returns the same data key, sealed with the first of `SEALING_KEYS`.
   * @throws Error as {@link sealerOf}
   */
  rewrapped(id: string, sealedDataKey: Buffer): { sealedDataKey: Buffer; dataKeyId: string } {
    return this.#wrapped(id, this.#unwrapped(id, sealedDataKey));
  }

  #keep(id: string, sealedDataKey: Buffer, sealer: Sealer): Sealer {
    this.#opened.set(sealedDataKey, { id, sealer });
    return sealer;
  }

  #sealerWith(key: Buffer): Sealer {
    return this.ring.behind({ id: OF_THE_ROW, key });
  }

  #wrapped(id: string, key: Buffer) {
    const sealedDataKey = this.ring.seal(placeOf(id), key.toString('base64'));
    return { sealedDataKey, dataKeyId: sealedBy(sealedDataKey) };
  }

  #unwrapped(id: string, sealed: Buffer): Buffer {
    return Buffer.from(this.ring.open(placeOf(id), sealed), 'base64');
  }
}

const placeOf = (onboardingId: string) => ({ onboardingId, field: 'data_key' });
