import type { MigrationInterface, QueryRunner } from 'typeorm';
import { buildIndexes, dropIndexes } from '../concurrent-indexes.js';

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

export class Indexes1764500000000 implements MigrationInterface {
  readonly name = 'Indexes1764500000000';
  readonly transaction = false;

  up(runner: QueryRunner): Promise<void> {
    return buildIndexes(runner, INDEXES);
  }

  down(runner: QueryRunner): Promise<void> {
    return dropIndexes(runner, INDEXES);
  }
}
