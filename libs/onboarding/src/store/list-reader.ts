import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { ProblemError, lowestUuidV7 } from '#libs/kernel';
import { CONFIG, KeyedHash, type Config } from '#libs/platform';
import type { Provider } from '#libs/upstream';
import { asOfNow } from '../flow/move.js';
import { Onboarding } from '../flow/onboarding.entity.js';
import type { Row } from '../flow/row.js';
import type { ParkedReason } from '../flow/codes.js';
import type { State, StepName } from '../flow/table.js';
import { listStatement } from './list.js';
import { readRow, type Raw } from './read-row.js';
import { blindKey } from './subjects.js';

export interface ListFilter {
  caller?: string | undefined;
  /** If a deadline has passed, the next state counts, even if no worker has written it yet. */
  states?: readonly State[] | undefined;
  integration?: string | undefined;
  accountId?: string | undefined;
  organizationId?: string | undefined;
  userId?: string | undefined;
  externalRef?: string | undefined;
  /** An e-mail address or a phone number. */
  contact?: string | undefined;
  /** In flight, waiting or parked, or with an unknown outcome. */
  step?: StepName | undefined;
  parked?: boolean | undefined;
  parkedReason?: ParkedReason | undefined;
  waiting?: boolean | undefined;
  /** Only ended onboardings with an unresolved attempt. */
  endedUnresolved?: boolean | undefined;
  createdAfter?: Date | undefined;
  createdBefore?: Date | undefined;
  limit: number;
  /** The id of the last row of the previous page. */
  after?: string | undefined;
}

/** What a reader may see. Null: all. */
export interface Visible {
  callers: readonly string[] | null;
  integrations: readonly string[] | null;
  /** The providers whose subjects may be searched by contact. */
  providers: readonly Pick<Provider, 'keyOfContact'>[];
}

/** Reads pages of onboardings, without decrypting any value. */
@Injectable()
export class ListReader {
  constructor(
    private readonly hash: KeyedHash,
    @InjectRepository(Onboarding) private readonly rows: Repository<Onboarding>,
    @Inject(CONFIG) private readonly config: Pick<Config, 'CALL_TIMEOUT_MS'>,
  ) {}

  /**
   * Lists onboardings in their present state, newest first.
   *
   * @throws ProblemError `validation_failed` if no provider identifies subjects by this kind of contact.
   */
  async page(filter: ListFilter, visible: Visible): Promise<{ rows: Row[]; next: string | null }> {
    const { states, accountId, organizationId, userId, externalRef, contact, limit } = filter;
    const { text, values } = listStatement({
      callers: narrowed(visible.callers, filter.caller),
      integrations: narrowed(visible.integrations, filter.integration),
      states,
      accountId,
      organizationId,
      userId,
      externalRef,
      subjectKeys: contact === undefined ? undefined : this.#keysOf(contact, visible.providers),
      step: filter.step,
      parked: filter.parked,
      parkedReason: filter.parkedReason,
      waiting: filter.waiting ?? false,
      endedUnresolved: filter.endedUnresolved ?? false,
      ...idsOf(filter),
      order: 'newest first',
      limit: limit + 1,
    });
    const found = await this.rows.query<Raw[]>(text, values);
    const rows = found.slice(0, limit).map((raw) => asOfNow(readRow(raw, this.config.CALL_TIMEOUT_MS)));
    return { rows, next: found.length > limit ? rows.at(-1)!.id : null };
  }

  #keysOf(contact: string, providers: Visible['providers']): string[] {
    const keys = providers.flatMap((provider) => provider.keyOfContact(contact) ?? []);
    if (keys.length > 0) return [...new Set(keys)].map((key) => blindKey(this.hash, key));
    const detail = 'No integration identifies subjects by this kind of contact.';
    throw new ProblemError('validation_failed', {
      detail,
      errors: [{ pointer: '/contact', code: 'not_supported', detail }],
    });
  }
}

/** @returns the values that are both allowed and requested; null means any value. */
export function narrowed(
  allowed: readonly string[] | null,
  asked: string | undefined,
): readonly string[] | null {
  if (asked === undefined) return allowed;
  return allowed === null || allowed.includes(asked) ? [asked] : [];
}

const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

/** An id contains its time of creation (milliseconds), so a range of times is a range of ids. */
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
