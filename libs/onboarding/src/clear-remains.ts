import { Injectable } from '@nestjs/common';
import { PreparedStatements, violatedUniqueConstraint } from '#libs/database';
import type { Subject } from '#libs/upstream';
import { DataKeys } from './data-keys.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { prepared } from './statement.js';
import { Subjects } from './subjects.js';

const BATCH = 200;
const FIRST = '00000000-0000-0000-0000-000000000000';

const IN_CLEAR = `
  SELECT id, subject, subject_key AS "subjectKey" FROM onboardings
  WHERE subject -> 'contact' IS NOT NULL AND id > $1::uuid ORDER BY id LIMIT $2`;

const SEAL_CONTACT = `
  UPDATE onboardings o SET subject = $3, subject_key = $4, sealed_contact = $5, sealed_data_key = $6, data_key_id = $7
  WHERE o.id = $1 AND o.subject_key = $2 AND o.subject -> 'contact' IS NOT NULL AND o.sealed_data_key IS NULL
  RETURNING 1`;

/** As the indexes `otp_budgets_in_clear` and `credentials_in_clear` have it: with nothing left, nothing is read. */
const clear = (table: string) => `
  SELECT DISTINCT integration, subject_key AS key FROM ${table}
  WHERE subject_key ~ '^(email|phone):' AND (integration, subject_key) > ($1, $2)
  ORDER BY integration, subject_key LIMIT $3`;

const BUDGETS_IN_CLEAR = clear('otp_budgets');
/** Limits that were counted under either key count together. */
const RENAME_BUDGET = `
  WITH clear AS (DELETE FROM otp_budgets WHERE integration = $1 AND subject_key = $2 RETURNING *)
  INSERT INTO otp_budgets AS b (integration, subject_key, sends, wrong_codes)
  SELECT integration, $3, sends, wrong_codes FROM clear
  ON CONFLICT (integration, subject_key) DO UPDATE SET
    sends = ARRAY(SELECT t FROM unnest(b.sends || excluded.sends) t ORDER BY t),
    wrong_codes = ARRAY(SELECT t FROM unnest(b.wrong_codes || excluded.wrong_codes) t ORDER BY t)`;
const CREDENTIALS_IN_CLEAR = clear('credentials');
/**
 * Their onboardings locked first: an erasure comes before, and takes them along, or waits and finds them renamed. Of a
 * passkey that is there under both keys, the blind one stays.
 */
const RENAME_CREDENTIALS = `
  WITH locked AS MATERIALIZED (
    SELECT o.id FROM onboardings o WHERE o.id IN (
      SELECT onboarding_id FROM credentials WHERE integration = $1 AND subject_key = $2)
    ORDER BY o.id FOR SHARE
  ), twice AS (
    DELETE FROM credentials c USING credentials k, locked l
    WHERE c.onboarding_id = l.id AND c.integration = $1 AND c.subject_key = $2
      AND k.integration = $1 AND k.subject_key = $3 AND k.credential_id = c.credential_id
    RETURNING c.credential_id, c.registered
  ), merged AS (
    UPDATE credentials k SET registered = true FROM twice t
    WHERE k.integration = $1 AND k.subject_key = $3 AND k.credential_id = t.credential_id AND t.registered
  )
  UPDATE credentials c SET subject_key = $3 FROM locked l
  WHERE c.onboarding_id = l.id AND c.integration = $1 AND c.subject_key = $2 AND NOT EXISTS (
    SELECT 1 FROM credentials k
    WHERE k.integration = $1 AND k.subject_key = $3 AND k.credential_id = c.credential_id)`;

/** How much of the version before was sealed. */
export interface ClearRemainsSealed {
  contactsSealed: number;
  answersSealed: number;
}

/** Seals what the version before kept open: contacts, the keys made of them, and answers. Can go with the version after. */
@Injectable()
export class ClearRemains {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly dataKeys: DataKeys,
    private readonly subjects: Subjects,
    private readonly keys: IdempotencyKeys,
  ) {}

  async seal(): Promise<ClearRemainsSealed> {
    const contactsSealed = await this.#sealContacts();
    await this.#rename(BUDGETS_IN_CLEAR, RENAME_BUDGET);
    await this.#rename(CREDENTIALS_IN_CLEAR, RENAME_CREDENTIALS);
    return { contactsSealed, answersSealed: await this.keys.sealClear() };
  }

  /** Rows of the version before. One whose subject has a live onboarding under the blind key waits until that ends. */
  async #sealContacts(): Promise<number> {
    let sealed = 0;
    for (let after = FIRST; ;) {
      const rows = await this.statements.run<{ id: string; subject: Subject; subjectKey: string }>(
        prepared(IN_CLEAR),
        [after, BATCH],
      );
      for (const row of rows) sealed += (await this.#sealContact(row)) ? 1 : 0;
      if (rows.length < BATCH) return sealed;
      after = rows.at(-1)!.id;
    }
  }

  async #sealContact(row: { id: string; subject: Subject; subjectKey: string }): Promise<boolean> {
    const { patch, sealer } = this.dataKeys.fresh(row.id);
    const columns = this.subjects.columnsOf(row.id, sealer, {
      subject: row.subject,
      key: row.subjectKey,
      personal: ['contact'],
    });
    try {
      const written = await this.statements.run(prepared(SEAL_CONTACT), [
        row.id,
        row.subjectKey,
        JSON.stringify(columns.subject),
        columns.subjectKey,
        columns.sealedContact,
        patch.sealedDataKey,
        patch.dataKeyId,
      ]);
      return written.length > 0;
    } catch (error) {
      if (violatedUniqueConstraint(error) === 'onboardings_one_live_per_subject') return false;
      throw error;
    }
  }

  async #rename(find: string, rename: string): Promise<void> {
    for (let after = ['', '']; ;) {
      const rows = await this.statements.run<{ integration: string; key: string }>(prepared(find), [
        ...after,
        BATCH,
      ]);
      for (const { integration, key } of rows) {
        try {
          await this.statements.run(prepared(rename), [integration, key, this.subjects.blind(key)]);
        } catch (error) {
          // Registered under the blind key at this very moment: the next run finds it there.
          if (violatedUniqueConstraint(error) !== 'credentials_pkey') throw error;
        }
      }
      if (rows.length < BATCH) return;
      const { integration, key } = rows.at(-1)!;
      after = [integration, key];
    }
  }
}
