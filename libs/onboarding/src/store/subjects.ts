import { Injectable } from '@nestjs/common';
import { KeyedHash, Log, type Sealer } from '#libs/platform';
import type { ParsedSubject } from '#libs/upstream';
import { DataKeys } from './data-keys.js';
import type { Onboarding } from '../flow/onboarding.entity.js';

/** The prefix of subject keys that are hashes. The index `onboardings_by_contact` has only these keys. */
const BLIND = 'blind:';

export const blindKey = (hash: KeyedHash, key: string): string =>
  BLIND + hash.digest('subject key', key).toString('base64url');

/** Seals the personal members of a subject, and makes the keyed hashes by which subjects are found. */
@Injectable()
export class Subjects {
  readonly #logger = new Log('Subjects');

  constructor(
    private readonly dataKeys: DataKeys,
    private readonly hash: KeyedHash,
  ) {}

  /**
   * @returns the text by which limits and searches find a subject: the subject's key, or a keyed hash of it
   *   if it identifies a person.
   */
  keyOf({ key, personal }: Pick<ParsedSubject, 'key' | 'personal'>): string {
    return personal.length === 0 ? key : this.blind(key);
  }

  blind(key: string): string {
    return blindKey(this.hash, key);
  }

  /** @param sealer seals the personal members with the row's data key. */
  columnsOf(onboardingId: string, sealer: Sealer, parsed: ParsedSubject) {
    const members = Object.entries(parsed.subject);
    const sealed = members.filter(([name]) => parsed.personal.includes(name));
    return {
      subject: Object.fromEntries(members.filter(([name]) => !parsed.personal.includes(name))),
      subjectKey: this.keyOf(parsed),
      sealedContact:
        sealed.length === 0
          ? null
          : sealer.seal(placeOf(onboardingId), JSON.stringify(Object.fromEntries(sealed))),
    };
  }

  /**
   * @returns the row with its whole subject, for the provider.
   * @throws Error if `SEALING_KEYS` lacks the key that seals the data key.
   */
  opened<Kept extends Pick<Onboarding, 'id' | 'subject' | 'sealedContact' | 'sealedDataKey'>>(
    row: Kept,
  ): Kept {
    if (row.sealedContact === null) return row;
    const opened = this.dataKeys.sealerOf(row).open(placeOf(row.id), row.sealedContact);
    return { ...row, subject: { ...row.subject, ...(JSON.parse(opened) as object) } };
  }

  /**
   * @returns the row as callers see it, without a contact that cannot be decrypted: an error would fail the
   *   whole page, or the answer to a command that was carried out.
   */
  withContact<Kept extends Pick<Onboarding, 'id' | 'subject' | 'sealedContact' | 'sealedDataKey'>>(
    row: Kept,
  ): Kept {
    try {
      return this.opened(row);
    } catch (error) {
      this.#logger.error(
        { onboardingId: row.id },
        `the contact cannot be opened: ${(error as Error).message}`,
      );
      return row;
    }
  }
}

const placeOf = (onboardingId: string) => ({ onboardingId, field: 'contact' });
