import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Sealer, sealedBy } from '#libs/platform';
import type { Onboarding } from '../flow/onboarding.entity.js';

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
  /** Keyed by the bytes that a request has read: the opened key is freed together with the request's row. */
  readonly #opened = new WeakMap<Buffer, { id: string; sealer: Sealer }>();

  constructor(private readonly ring: Sealer) {}

  /** @returns the columns of a new row's key, and what seals with it. */
  fresh(onboardingId: string): {
    patch: { sealedDataKey: Buffer; dataKeyId: string };
    sealer: Sealer;
  } {
    const key = randomBytes(KEY_BYTES);
    const patch = this.#wrapped(onboardingId, key);
    return { patch, sealer: this.#keep(onboardingId, patch.sealedDataKey, this.#sealerOf(key)) };
  }

  /**
   * Seals with the row's key, and opens what that or the ring has sealed. An erased row has no key, and nothing sealed.
   *
   * @throws Error where the key is sealed with one that SEALING_KEYS does not have.
   */
  of({ id, sealedDataKey }: Keyed): Sealer {
    if (sealedDataKey === null) return this.ring;
    const opened = this.#opened.get(sealedDataKey);
    if (opened?.id === id) return opened.sealer;
    return this.#keep(id, sealedDataKey, this.#sealerOf(this.#unwrapped(id, sealedDataKey)));
  }

  /** Reuses the opened key of an earlier reading of the row for a later one, unless the key has changed. */
  handOver(earlier: Keyed, later: Keyed): void {
    const [from, to] = [earlier.sealedDataKey, later.sealedDataKey];
    const opened = from && this.#opened.get(from);
    if (opened?.id === later.id && to?.equals(from!)) this.#opened.set(to, opened);
  }

  /** @returns the same key, sealed with the first of SEALING_KEYS. @throws Error as {@link of} */
  wrappedAnew(id: string, sealedDataKey: Buffer): { sealedDataKey: Buffer; dataKeyId: string } {
    return this.#wrapped(id, this.#unwrapped(id, sealedDataKey));
  }

  #keep(id: string, sealedDataKey: Buffer, sealer: Sealer): Sealer {
    this.#opened.set(sealedDataKey, { id, sealer });
    return sealer;
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
