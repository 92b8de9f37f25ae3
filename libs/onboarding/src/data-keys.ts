import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Sealer, sealedBy } from '#libs/platform';
import type { Onboarding } from './onboarding.entity.js';

/** What names the row's own key in what is sealed with it: no key of `SEALING_KEYS` can have such an id. */
export const OF_THE_ROW = '@row';

const KEY_BYTES = 32;

/** A row, as far as its key goes. */
type Keyed = Pick<Onboarding, 'id' | 'sealedDataKey'>;

/**
 * Each onboarding has a key of its own, which seals what is sealed on its row. It is kept sealed itself, by the ring of
 * `SEALING_KEYS`: a rotation seals 32 bytes a row anew and nothing else, and where it is destroyed, so is all that it sealed.
 */
@Injectable()
export class DataKeys {
  constructor(private readonly ring: Sealer) {}

  /** @returns the columns of a new row's key, and what seals with it. */
  fresh(onboardingId: string): {
    patch: Pick<Onboarding, 'sealedDataKey' | 'dataKeyId'>;
    sealer: Sealer;
  } {
    const key = randomBytes(KEY_BYTES);
    return { patch: this.#wrapped(onboardingId, key), sealer: this.#sealerOf(key) };
  }

  /**
   * Seals with the row's key, and opens what that or the ring has sealed. A row of the version before has no key: there
   * the ring seals, too.
   *
   * @throws Error where the key is sealed with one that SEALING_KEYS does not have.
   */
  of({ id, sealedDataKey }: Keyed): Sealer {
    return sealedDataKey === null ? this.ring : this.#sealerOf(this.#unwrapped(id, sealedDataKey));
  }

  /** @returns the same key, sealed with the first of SEALING_KEYS. @throws Error as {@link of} */
  wrappedAnew(id: string, sealedDataKey: Buffer): Pick<Onboarding, 'sealedDataKey' | 'dataKeyId'> {
    return this.#wrapped(id, this.#unwrapped(id, sealedDataKey));
  }

  #sealerOf(key: Buffer): Sealer {
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
