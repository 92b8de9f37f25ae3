import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import type { Repository } from 'typeorm';
import { ProblemError, type Caller } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { Integrations } from '#libs/upstream';
import { asOfNow } from '../flow/move.js';
import { Onboarding } from '../flow/onboarding.entity.js';
import { seesAll } from '../flow/ownership.js';
import type { Row } from '../flow/row.js';
import type { State } from '../flow/table.js';
import { isDueSql, showsState } from '../store/shown-state.js';
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

const isParked = `o.parked_reason IS NOT NULL AND (${isDueSql}) IS NOT TRUE`;

/** Lists of onboardings, as a caller may see them. */
@Injectable()
export class OnboardingLists {
  constructor(
    private readonly subjects: Subjects,
    private readonly integrations: Integrations,
    @InjectRepository(Onboarding) private readonly rows: Repository<Onboarding>,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Newest first. Ids grow with time, so a page goes on below the last id of the page before. */
  async list(filter: ListFilter, caller: Caller): Promise<{ rows: Row[]; next: string | null }> {
    const query = this.rows
      .createQueryBuilder('o')
      .orderBy('o.id', 'DESC')
      .limit(filter.limit + 1);
    const narrow = (condition: string, values: Record<string, unknown>) => {
      if (Object.values(values).every((value) => value !== undefined)) query.andWhere(condition, values);
    };
    if (filter.state) narrow(showsState(filter.state), { state: filter.state });
    narrow('o.caller = :caller', { caller: filter.caller });
    if (!seesAll(caller)) narrow('o.caller = :own', { own: caller.name });
    if (caller.integrations) narrow('o.integration = ANY (:within)', { within: [...caller.integrations] });
    narrow('o.integration = :integration', { integration: filter.integration });
    narrow(`o.subject ->> 'accountId' = :accountId`, { accountId: filter.accountId });
    narrow(`o.subject ->> 'userId' = :userId`, { userId: filter.userId });
    narrow('o.external_ref = :externalRef', { externalRef: filter.externalRef });
    if (filter.contact !== undefined) {
      // As the index onboardings_by_contact has it.
      narrow(`starts_with(o.subject_key, 'blind:') AND o.subject_key = ANY (:keys)`, {
        keys: this.#keysOf(filter.contact),
      });
    }
    // A row whose time is over is no longer parked, although its end may not be written yet.
    if (filter.parked !== undefined) query.andWhere(`${filter.parked ? '' : 'NOT '}(${isParked})`);
    narrow('o.created_at > :createdAfter', { createdAfter: filter.createdAfter });
    narrow('o.created_at < :createdBefore', { createdBefore: filter.createdBefore });
    narrow('o.id < :after', { after: filter.after });
    query.addSelect('clock_timestamp()', 'now');
    const { entities, raw } = await query.getRawAndEntities<{ now: Date }>();
    const callMs = this.config.CALL_TIMEOUT_MS;
    const rows = entities.map((entity, index) =>
      this.subjects.withContact(asOfNow({ ...entity, now: raw[index]!.now, callMs } as Row)),
    );
    const page = rows.slice(0, filter.limit);
    return { rows: page, next: rows.length > filter.limit ? page.at(-1)!.id : null };
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
