import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Onboardings1763600000000 implements MigrationInterface {
  readonly name = 'Onboardings1763600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE onboardings (
        id uuid PRIMARY KEY,
        integration text NOT NULL,
        provider text NOT NULL,
        subject jsonb NOT NULL,
        subject_key text NOT NULL,
        external_ref text,
        metadata jsonb NOT NULL DEFAULT '{}',

        state text NOT NULL,
        reason text,
        version integer NOT NULL DEFAULT 1,
        last_seq integer NOT NULL DEFAULT 0,

        step text,
        attempt integer NOT NULL DEFAULT 0,
        submission integer NOT NULL DEFAULT 0,
        fingerprint text,
        lease_until timestamptz,
        next_attempt_at timestamptz,
        woken_at timestamptz,
        parked_reason text,
        parked_at timestamptz,
        unavailable_count integer NOT NULL DEFAULT 0,
        no_answer_count integer NOT NULL DEFAULT 0,
        doubt_attempt integer,
        unresolved jsonb NOT NULL DEFAULT '[]',

        otp_handle text,
        otp_sends integer NOT NULL DEFAULT 0,
        otp_resend_at timestamptz,
        otp_sent_at timestamptz,
        otp_expires_at timestamptz,
        otp_tries_left integer NOT NULL DEFAULT 0,
        otp_wrong integer NOT NULL DEFAULT 0,
        session_expires_at timestamptz,
        session_ends_at timestamptz,

        sealed_otp_code bytea,
        sealed_grant bytea,
        sealed_authenticators bytea,

        pending_authenticators jsonb NOT NULL DEFAULT '[]',
        authenticators jsonb NOT NULL DEFAULT '[]',
        last_result jsonb,
        failure jsonb,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        idle_ends_at timestamptz NOT NULL,
        life_ends_at timestamptz NOT NULL,

        -- When the row must change by itself. A pure function of the row, so that no writer can forget it.
        deadline_at timestamptz GENERATED ALWAYS AS (
          CASE
            WHEN state IN ('completed', 'failed', 'expired', 'cancelled') THEN NULL
            WHEN state = 'outcome_unknown' THEN life_ends_at
            WHEN state IN ('otp_sent', 'otp_submitted') THEN least(otp_expires_at, idle_ends_at, life_ends_at)
            WHEN state IN ('otp_verified', 'authenticators_submitted')
              THEN least(session_ends_at, idle_ends_at, life_ends_at)
            ELSE least(idle_ends_at, life_ends_at)
          END
        ) STORED
      )
      -- A row is written about ten times in its life; room on its page keeps those writes from touching indexes.
      WITH (fillfactor = 70)`);
    await runner.query(`
      CREATE UNIQUE INDEX onboardings_one_live_per_subject ON onboardings (integration, subject_key)
        WHERE state NOT IN ('completed', 'failed', 'expired', 'cancelled')`);
    await runner.query(`
      CREATE INDEX onboardings_deadline ON onboardings (deadline_at) WHERE deadline_at IS NOT NULL`);
    await runner.query(`
      CREATE INDEX onboardings_due ON onboardings (least(lease_until, next_attempt_at))
        WHERE (lease_until IS NOT NULL OR next_attempt_at IS NOT NULL) AND parked_reason IS NULL`);
    await runner.query(
      `CREATE INDEX onboardings_parked ON onboardings (integration) WHERE parked_reason IS NOT NULL`,
    );
    await runner.query(`CREATE INDEX onboardings_created ON onboardings (created_at)`);
    await runner.query(`
      CREATE INDEX onboardings_external_ref ON onboardings (external_ref) WHERE external_ref IS NOT NULL`);
    await runner.query(`CREATE INDEX onboardings_account ON onboardings ((subject ->> 'accountId'))`);
    await runner.query(`CREATE INDEX onboardings_user ON onboardings ((subject ->> 'userId'))`);

    await runner.query(`
      CREATE TABLE onboarding_events (
        onboarding_id uuid NOT NULL REFERENCES onboardings (id) ON DELETE CASCADE,
        seq integer NOT NULL,
        type text NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor text NOT NULL,
        data jsonb NOT NULL DEFAULT '{}',
        PRIMARY KEY (onboarding_id, seq)
      )`);

    await runner.query(`
      CREATE TABLE otp_budgets (
        integration text NOT NULL,
        subject_key text NOT NULL,
        sends timestamptz[] NOT NULL DEFAULT '{}',
        wrong_codes timestamptz[] NOT NULL DEFAULT '{}',
        PRIMARY KEY (integration, subject_key)
      )`);

    await runner.query(`
      CREATE TABLE webauthn_challenges (
        onboarding_id uuid NOT NULL REFERENCES onboardings (id) ON DELETE CASCADE,
        challenge text NOT NULL,
        expires_at timestamptz NOT NULL,
        PRIMARY KEY (onboarding_id, challenge)
      )`);

    await runner.query(`
      CREATE TABLE credentials (
        integration text NOT NULL,
        subject_key text NOT NULL,
        credential_id text NOT NULL,
        onboarding_id uuid NOT NULL REFERENCES onboardings (id) ON DELETE CASCADE,
        -- false while the credential is only reserved by a submission
        registered boolean NOT NULL DEFAULT false,
        PRIMARY KEY (integration, subject_key, credential_id)
      )`);
    await runner.query(`CREATE INDEX credentials_of_onboarding ON credentials (onboarding_id)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [
      'credentials',
      'webauthn_challenges',
      'otp_budgets',
      'onboarding_events',
      'onboardings',
    ]) {
      await runner.query(`DROP TABLE ${table}`);
    }
  }
}
