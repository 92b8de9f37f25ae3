import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { ProblemError, isUuid } from '#libs/kernel';
import { PROVIDERS } from '#libs/upstream';
import { asOfNow } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import { ListReader, type ListFilter } from '../store/list-reader.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { FIND_BY_OTP_ID } from '../store/statements/find-by-otp-id.js';
import { summaryOf } from './summary.js';
import type { OnboardingSummary } from './types.js';

const MOST_FOUND = 50;
/** A search for an `otpId` reads at most this many live onboardings of each state and integration. */
const OTP_ID_ROWS = 1_000;

const EVERYTHING = { callers: null, integrations: null, providers: PROVIDERS };

/** Works without the keys that decrypt contacts. */
@Injectable()
export class OnboardingSearch {
  constructor(
    private readonly reader: ListReader,
    private readonly store: OnboardingStore,
    private readonly statements: PreparedStatements,
  ) {}

  /**
   * Finds by id, `externalRef`, the subject's ids or the hash of the contact; if none matches, live
   * onboardings by `otpId`.
   *
   * @returns at most 50 onboardings, newest first.
   */
  async search(text: string): Promise<OnboardingSummary[]> {
    const asked = text.trim();
    if (asked === '' || asked.includes('\0')) return [];
    const byIndex = await Promise.all([
      ...(isUuid(asked) ? this.#byIds(asked.toLowerCase()) : [this.#byContact(asked)]),
      this.#page({ externalRef: asked }),
    ]);
    const found = byIndex.flat();
    const rows = new Map((found.length > 0 ? found : await this.#byOtpId(asked)).map((row) => [row.id, row]));
    return [...rows.values()]
      .sort((one, other) => (one.id < other.id ? 1 : -1))
      .slice(0, MOST_FOUND)
      .map(summaryOf);
  }

  /**
   * Newest first.
   *
   * @param after the id of the last row of the previous page.
   * @throws ProblemError `validation_failed` for a contact that is neither an e-mail address nor a phone
   *   number.
   */
  async list(
    filter: Omit<ListFilter, 'after'>,
    after?: string,
  ): Promise<{ rows: OnboardingSummary[]; next: string | null }> {
    const { rows, next } = await this.reader.page({ ...filter, after }, EVERYTHING);
    return { rows: rows.map(summaryOf), next };
  }

  #byIds(id: string): Promise<Row[]>[] {
    return [
      this.#byId(id),
      this.#page({ accountId: id }),
      this.#page({ organizationId: id }),
      this.#page({ userId: id }),
    ];
  }

  async #byId(id: string): Promise<Row[]> {
    const row = await this.store.find(id);
    return row ? [asOfNow(row)] : [];
  }

  async #page(filter: Partial<ListFilter>): Promise<Row[]> {
    return (await this.reader.page({ limit: MOST_FOUND, ...filter }, EVERYTHING)).rows;
  }

  #byContact(contact: string): Promise<Row[]> {
    return this.#page({ contact }).catch((error: unknown) => {
      if (error instanceof ProblemError) return [];
      throw error;
    });
  }

  async #byOtpId(otpId: string): Promise<Row[]> {
    const values = FIND_BY_OTP_ID.bind({ otpId, limit: OTP_ID_ROWS });
    const ids = await this.statements.run<{ id: string }>(FIND_BY_OTP_ID, values);
    return (await Promise.all(ids.map(({ id }) => this.#byId(id)))).flat();
  }
}
