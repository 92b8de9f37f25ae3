import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { ProblemError, lowestUuidV7, type Caller } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { Integrations } from '#libs/upstream';
import { asOfNow } from '../flow/move.js';
import { Onboarding } from '../flow/onboarding.entity.js';
import { seesAll } from '../flow/ownership.js';
import type { Row } from '../flow/row.js';
import type { State } from '../flow/table.js';
import { listStatement } from '../store/list.js';
import { readRow, type Raw } from '../store/read-row.js';
import { Subjects } from '../store/subjects.js';

export interface ListFilter {
  caller?: string | undefined;
  state?: State | undefined;
  integration?: string | undefined;
  accountId?: string | undefined;
  userId?: string | undefined;
  externalRef?: string | undefined;
  /** An e-mail address or a phone number. */
  contact?: string | undefined;
  parked?: boolean | undefined;
  createdAfter?: Date | undefined;
  createdBefore?: Date | undefined;
  limit: number;
  /** The id of the last row of the page before. */
  after?: string | undefined;
}

/** Lists the onboardings that a caller may see. */
@Injectable()
export class OnboardingLists {
  constructor(
    private readonly subjects: Subjects,
    private readonly integrations: Integrations,
    @InjectRepository(Onboarding) private readonly rows: Repository<Onboarding>,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Newest first. Ids grow with time, so a page continues below the last id of the page before. */
  async list(filter: ListFilter, caller: Caller): Promise<{ rows: Row[]; next: string | null }> {
    const { state, accountId, userId, externalRef, contact, parked, limit } = filter;
    const { text, values } = listStatement({
      callers: narrowed(seesAll(caller) ? null : [caller.name], filter.caller),
      integrations: narrowed(caller.integrations && [...caller.integrations], filter.integration),
      state,
      accountId,
      userId,
      externalRef,
      subjectKeys: contact === undefined ? undefined : this.#keysOf(contact),
      parked,
      ...idsOf(filter),
      limit: limit + 1,
    });
    const found = await this.rows.query<Raw[]>(text, values);
    const rows = found.map((raw) =>
      this.subjects.withContact(asOfNow(readRow(raw, this.config.CALL_TIMEOUT_MS))),
    );
    const page = rows.slice(0, limit);
    return { rows: page, next: rows.length > limit ? page.at(-1)!.id : null };
  }

  /** @throws ProblemError if no configured provider identifies subjects by such a contact. */
  #keysOf(contact: string): string[] {
    const keys = this.integrations.all().flatMap(({ provider }) => provider.keyOfContact(contact) ?? []);
    if (keys.length > 0) return [...new Set(keys)].map((key) => this.subjects.blind(key));
    const detail = 'No integration knows its subjects by such a contact.';
    throw new ProblemError('validation_failed', {
      detail,
      errors: [{ pointer: '/contact', code: 'not_supported', detail }],
    });
  }
}

/** @returns the values that are both allowed and asked for; null for any. */
export function narrowed(allowed: string[] | null, asked: string | undefined): string[] | null {
  if (asked === undefined) return allowed;
  return allowed === null || allowed.includes(asked) ? [asked] : [];
}

const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** An onboarding's id shows when it was created, to the millisecond. */
export function idsOf({
  createdAfter,
  createdBefore,
  after,
}: Pick<ListFilter, 'createdAfter' | 'createdBefore' | 'after'>) {
  const ends = [createdBefore && lowestUuidV7(createdBefore.getTime()), after?.toLowerCase(), HIGHEST];
  return {
    from: createdAfter ? lowestUuidV7(createdAfter.getTime() + 1) : lowestUuidV7(0),
    below: ends.filter((id) => id !== undefined).sort()[0]!,
  };
}
