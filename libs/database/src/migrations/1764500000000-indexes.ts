import type { MigrationInterface, QueryRunner } from 'typeorm';

const ENDED = `state IN ('completed', 'failed', 'expired', 'cancelled')`;

/** By name; of tables that may be large by now. */
const INDEXES = {
  onboardings_by_caller: 'onboardings (caller, id DESC)',
  onboardings_data_key: 'onboardings (data_key_id) WHERE data_key_id IS NOT NULL',
  onboardings_by_contact: `onboardings (subject_key) WHERE starts_with(subject_key, 'blind:')`,
  onboardings_kept: `onboardings (updated_at) WHERE ${ENDED} AND erased_at IS NULL`,
  onboardings_unanchored: `onboardings (id) WHERE ${ENDED} AND anchored_seq IS DISTINCT FROM last_seq`,
  idempotency_keys_onboarding: 'idempotency_keys (onboarding_id)',
  webauthn_challenges_expiry: 'webauthn_challenges (expires_at)',
  // What the version before left in the clear, to be sealed: empty afterwards.
  onboardings_in_clear: `onboardings (id) WHERE subject -> 'contact' IS NOT NULL`,
  idempotency_keys_in_clear: 'idempotency_keys (created_at) WHERE body IS NOT NULL',
  otp_budgets_in_clear: `otp_budgets (integration, subject_key) WHERE subject_key ~ '^(email|phone):'`,
  credentials_in_clear: `credentials (integration, subject_key) WHERE subject_key ~ '^(email|phone):'`,
};

/** Built while the tables are read and written, which no transaction can do. Cut short, it may be run again. */
export class Indexes1764500000000 implements MigrationInterface {
  readonly name = 'Indexes1764500000000';
  readonly transaction = false;

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, on] of Object.entries(INDEXES)) {
      // One that was not built to its end is there, and of no use: it would count as existing.
      const invalid = await runner.query(
        `SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid`,
        [name],
      );
      if (invalid.length > 0) await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
      await runner.query(`CREATE INDEX CONCURRENTLY IF NOT EXISTS ${name} ON ${on}`);
    }
  }

  /** In a transaction, as whoever undoes a migration begins one. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`DROP INDEX IF EXISTS ${Object.keys(INDEXES).join(', ')}`);
  }
}
