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

const CLEAR_KEY = `~ '^(email|phone):'`;

/** Limits that were counted under either key count together. */
const BUDGETS_IN_CLEAR = `
  SELECT integration, subject_key AS key FROM otp_budgets WHERE subject_key ${CLEAR_KEY} LIMIT $1`;
const RENAME_BUDGET = `
  WITH clear AS (DELETE FROM otp_budgets WHERE integration = $1 AND subject_key = $2 RETURNING *)
  INSERT INTO otp_budgets AS b (integration, subject_key, sends, wrong_codes)
  SELECT integration, $3, sends, wrong_codes FROM clear
  ON CONFLICT (integration, subject_key) DO UPDATE SET
    sends = ARRAY(SELECT t FROM unnest(b.sends || excluded.sends) t ORDER BY t),
    wrong_codes = ARRAY(SELECT t FROM unnest(b.wrong_codes || excluded.wrong_codes) t ORDER BY t)`;
const CREDENTIALS_IN_CLEAR = `
  SELECT DISTINCT integration, subject_key AS key FROM credentials WHERE subject_key ${CLEAR_KEY} LIMIT $1`;
const RENAME_CREDENTIALS = `
  WITH clear AS (DELETE FROM credentials WHERE integration = $1 AND subject_key = $2 RETURNING *)
  INSERT INTO credentials AS k (integration, subject_key, credential_id, onboarding_id, registered)
  SELECT integration, $3, credential_id, onboarding_id, registered FROM clear
  ON CONFLICT (integration, subject_key, credential_id) DO UPDATE SET registered = k.registered OR excluded.registered`;

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
    for (;;) {
      const rows = await this.statements.run<{ integration: string; key: string }>(prepared(find), [BATCH]);
      for (const { integration, key } of rows) {
        await this.statements.run(prepared(rename), [integration, key, this.subjects.blind(key)]);
      }
      if (rows.length < BATCH) return;
    }
  }
}
