import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * After the first release, each change gets its own migration, with which the previous version of the service
 * must still work.
 */
export class Baseline1770000000000 implements MigrationInterface {
  readonly name = 'Baseline1770000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of UP) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE onboardings DROP CONSTRAINT onboardings_erased_is_blank');
    await runner.query('DROP FUNCTION gangway_is_blank');
    await runner.query(`DROP TABLE ${TABLES.join(', ')}`);
    await runner.query('DROP FUNCTION gangway_refuse');
  }
}

const ENDED = `state IN ('completed', 'failed', 'expired', 'cancelled')`;
const LIVE = `state NOT IN ('completed', 'failed', 'expired', 'cancelled')`;

const UP = [
  // Columns that never change come first, because PostgreSQL logs an update from the first changed column to
  // the last.
  `CREATE TABLE onboardings (
    id uuid PRIMARY KEY,
    caller text NOT NULL DEFAULT 'default',
    integration text NOT NULL,
    provider text NOT NULL,
    -- the time of the id, so that lists find a time by ids
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    life_ends_at timestamptz NOT NULL,
    subject jsonb NOT NULL,
    subject_key text NOT NULL,
    sealed_contact bytea,
    sealed_data_key bytea,
    data_key_id text,
    otp_choice jsonb NOT NULL DEFAULT '{}',
    external_ref text,
    metadata jsonb NOT NULL DEFAULT '{}',

    otp_handle text,
    otp_target_bundle text,
    attempt integer NOT NULL DEFAULT 0,
    submission integer NOT NULL DEFAULT 0,
    fingerprint text,
    -- the claim that began the attempt: a process that got no answer to its claim looks for this id
    claim_id uuid,
    -- the request that gave the step, if it is traced: later attempts link their traces to it
    trace_parent text,

    state text NOT NULL,
    reason text,
    version integer NOT NULL DEFAULT 1,
    last_seq integer NOT NULL DEFAULT 0,
    step text,
    lease_until timestamptz,
    next_attempt_at timestamptz,
    -- when a worker must look at the row again; null once an ended one is anchored
    due_at timestamptz,
    parked_reason text,
    parked_at timestamptz,
    parkings integer NOT NULL DEFAULT 0,
    unavailable_count integer NOT NULL DEFAULT 0,
    no_answer_count integer NOT NULL DEFAULT 0,
    doubt_attempt integer,
    unresolved jsonb NOT NULL DEFAULT '[]',

    otp_sends integer NOT NULL DEFAULT 0,
    otp_resend_at timestamptz,
    otp_sent_at timestamptz,
    otp_expires_at timestamptz,
    otp_tries_left integer NOT NULL DEFAULT 0,
    otp_wrong integer NOT NULL DEFAULT 0,
    device_signing jsonb,
    session_expires_at timestamptz,
    session_ends_at timestamptz,
    idle_ends_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),

    pending_authenticators jsonb NOT NULL DEFAULT '[]',
    authenticators jsonb NOT NULL DEFAULT '[]',
    last_result jsonb,
    failure jsonb,
    sealed_otp_code bytea,
    sealed_authenticators bytea,
    sealed_requests bytea,

    erased_at timestamptz,
    -- a keyed digest of the timeline, and the last event that it covers
    anchor bytea,
    anchored_seq integer,
    -- large, and unchanged by the claim of the next step
    sealed_grant bytea
  )
  -- a row is written about six times in its life
  WITH (fillfactor = 70)`,
  // A function, because PostgreSQL parses a check again for each statement, and only erased rows need it.
  `CREATE FUNCTION gangway_is_blank(o onboardings) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN RETURN
    num_nonnulls(o.sealed_data_key, o.sealed_contact, o.sealed_otp_code, o.sealed_grant,
      o.sealed_authenticators, o.sealed_requests, o.external_ref, o.otp_handle, o.otp_target_bundle,
      o.device_signing, o.fingerprint, o.trace_parent) = 0
    AND o.subject = '{}' AND o.metadata = '{}' AND o.otp_choice = '{}'
    AND o.authenticators = '[]' AND o.pending_authenticators = '[]'
    AND o.subject_key = 'erased:' || o.id::text;
  END $$`,
  `ALTER TABLE onboardings ADD CONSTRAINT onboardings_erased_is_blank
    CHECK (erased_at IS NULL OR gangway_is_blank(onboardings))`,
  `CREATE INDEX onboardings_due ON onboardings (due_at) WHERE ${LIVE}`,
  `CREATE INDEX onboardings_unanchored ON onboardings (due_at) WHERE ${ENDED} AND due_at IS NOT NULL`,
  `CREATE INDEX onboardings_kept ON onboardings (updated_at) WHERE ${ENDED} AND erased_at IS NULL`,
  `CREATE INDEX onboardings_parked ON onboardings ((integration COLLATE "C"), id)
    WHERE parked_reason IS NOT NULL`,
  // `num_nonnulls` keeps PostgreSQL from using this index for claims, which must find their row by the id.
  `CREATE INDEX onboardings_waiting ON onboardings (((step || '/' || integration) COLLATE "C"), id)
    WHERE next_attempt_at IS NOT NULL AND num_nonnulls(lease_until, parked_reason) = 0`,
  `CREATE INDEX onboardings_ended_unresolved ON onboardings ((integration COLLATE "C"), id)
    WHERE ${ENDED} AND unresolved <> '[]' AND erased_at IS NULL`,
  `CREATE INDEX onboardings_data_key ON onboardings (data_key_id, id) WHERE data_key_id IS NOT NULL`,
  // Lists read this index and the next one backwards. In byte order, keys with the same prefix are adjacent.
  `CREATE INDEX onboardings_by_state ON onboardings (((state || '/' || integration) COLLATE "C"), id)`,
  // A caller's name may contain any printable character, so a line break ends it.
  `CREATE INDEX onboardings_by_caller ON onboardings
    (((caller || E'\\n' || state || '/' || integration) COLLATE "C"), id)`,
  `CREATE INDEX onboardings_by_contact ON onboardings (subject_key, id)
    WHERE starts_with(subject_key, 'blind:')`,
  `CREATE INDEX onboardings_external_ref ON onboardings (external_ref, id) WHERE external_ref IS NOT NULL`,
  // A hash keeps the index small, because each change of state writes to it. Lists also compare the value.
  `CREATE INDEX onboardings_organization ON onboardings
    ((hashtextextended(coalesce(subject ->> 'accountId', subject ->> 'organizationId'), 0)), id)`,
  `CREATE INDEX onboardings_user ON onboardings ((hashtextextended(subject ->> 'userId', 0)), id)`,

  `CREATE TABLE onboarding_events (
    onboarding_id uuid NOT NULL,
    seq integer NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    data jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (onboarding_id, seq)
  )`,

  `CREATE TABLE otp_budgets (
    integration text NOT NULL,
    subject_key text NOT NULL,
    sends timestamptz[] NOT NULL DEFAULT '{}',
    wrong_codes timestamptz[] NOT NULL DEFAULT '{}',
    -- the latest onboarding: live unless its row has ended
    live_id uuid,
    PRIMARY KEY (integration, subject_key)
  )`,

  `CREATE TABLE webauthn_challenges (
    onboarding_id uuid NOT NULL,
    challenge text NOT NULL,
    expires_at timestamptz NOT NULL,
    -- how many submissions with it had a passkey that failed a check
    failures smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (onboarding_id, challenge)
  )`,
  `CREATE INDEX webauthn_challenges_expiry ON webauthn_challenges (expires_at)`,

  `CREATE TABLE credentials (
    integration text NOT NULL,
    subject_key text NOT NULL,
    credential_id text NOT NULL,
    onboarding_id uuid NOT NULL,
    -- The subject comes first. Otherwise a search by credential could use this index, and read all
    -- credentials of an integration.
    PRIMARY KEY (subject_key, integration, credential_id)
  )`,
  // Not unique: two subjects may register the same id at the same time.
  `CREATE INDEX credentials_by_id ON credentials (credential_id, integration)`,

  `CREATE TABLE idempotency_keys (
    caller text NOT NULL,
    route text NOT NULL,
    key text NOT NULL,
    -- keyed hash of the path and the body
    fingerprint text NOT NULL,
    -- the request that took the key
    taken_by uuid,
    -- the onboarding that the request changed, in the statement that wrote this row
    onboarding_id uuid,
    -- until when the first request may still be answering
    locked_until timestamptz,
    sealed_answer bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (caller, route, key)
  )
  -- a row is written again once, with its answer
  WITH (fillfactor = 70)`,
  `CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at)`,
  `CREATE INDEX idempotency_keys_onboarding ON idempotency_keys (onboarding_id)`,
  // If a part of a statement calls this function, the whole statement writes nothing.
  `CREATE FUNCTION gangway_refuse(statement text) RETURNS boolean LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'refused: %', statement USING ERRCODE = 'GW001'; END $$`,

  `CREATE TABLE api_keys (
    id text PRIMARY KEY,
    caller text NOT NULL,
    name text,
    -- keyed hash: the secret itself is not stored
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    -- null for all
    integrations text[],
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    -- no foreign key: a dump may restore a key before its successor
    rotated_to text
  )`,
  `CREATE TABLE audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    action text NOT NULL,
    target text,
    address text,
    data jsonb NOT NULL DEFAULT '{}'
  )`,
  `CREATE INDEX audit_events_at ON audit_events (at)`,

  `CREATE TABLE operator_sessions (
    -- keyed hash of the token, which only the browser has
    token_hash bytea PRIMARY KEY,
    how text NOT NULL CHECK (how IN ('oidc', 'emergency', 'link')),
    -- issuer and sub for OpenID Connect, else the name
    identity text NOT NULL,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    -- keyed hash of the emergency password: another password ends the session
    emergency_mark bytea,
    address text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    CHECK ((how = 'emergency') = (emergency_mark IS NOT NULL))
  )`,
  `CREATE INDEX operator_sessions_identity ON operator_sessions (identity)`,
  `CREATE INDEX operator_sessions_expiry ON operator_sessions (expires_at)`,
  // One-time login links. A used link has no row.
  `CREATE TABLE operator_links (
    token_hash bytea PRIMARY KEY,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    expires_at timestamptz NOT NULL
  )`,
  // Finished logins at the identity provider, until their cookies expire.
  `CREATE TABLE operator_flows_used (
    flow_hash bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
  )`,

  // Each process writes its own view. The rows of an ended process expire.
  `CREATE TABLE integration_views (
    process text NOT NULL,
    integration text NOT NULL,
    seen_at timestamptz NOT NULL,
    breaker_since timestamptz,
    refused_since timestamptz,
    facts jsonb NOT NULL,
    PRIMARY KEY (process, integration)
  ) WITH (fillfactor = 50)`,
  // Consecutive failed calls of all processes. A row stays until a call succeeds.
  `CREATE TABLE integration_troubles (
    integration text NOT NULL,
    what text NOT NULL,
    failures integer NOT NULL,
    since timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    good_until timestamptz NOT NULL,
    failure text NOT NULL,
    status integer,
    PRIMARY KEY (integration, what)
  ) WITH (fillfactor = 50)`,
  // One process at a time counts a part, for all processes.
  `CREATE TABLE onboarding_counts (
    part text PRIMARY KEY,
    -- the process that counts now, and when another one may count
    process text,
    next_at timestamptz NOT NULL,
    counted_at timestamptz,
    took_ms double precision,
    counts jsonb
  ) WITH (fillfactor = 50)`,
  `CREATE TABLE integration_trials (
    integration text PRIMARY KEY,
    tries integer NOT NULL,
    next_at timestamptz NOT NULL,
    released_at timestamptz NOT NULL,
    released uuid[] NOT NULL
  )`,

  // A statement that changes items also changes the counts of their operation.
  `CREATE TABLE operations (
    id uuid PRIMARY KEY,
    action text NOT NULL,
    actor text NOT NULL,
    via text NOT NULL,
    role text,
    reason text NOT NULL,
    target jsonb NOT NULL,
    -- the integrations that the actor may touch; null for all
    integrations text[],
    -- the request that started it, if it is traced: its items link their traces to it
    trace_parent text,
    state text NOT NULL CHECK (state IN ('queued', 'running', 'done', 'aborted')),
    total integer NOT NULL DEFAULT 0,
    done integer NOT NULL DEFAULT 0,
    refused integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    -- the worker of an operation without items, and until when it holds the operation
    worker uuid,
    lease_until timestamptz
  )`,
  `CREATE INDEX operations_open ON operations (id) WHERE state IN ('queued', 'running')`,
  `CREATE INDEX operations_ended ON operations (ended_at) WHERE ended_at IS NOT NULL`,
  `CREATE TABLE operation_items (
    operation_id uuid NOT NULL,
    onboarding_id uuid NOT NULL,
    outcome text NOT NULL DEFAULT 'waiting' CHECK (outcome IN ('waiting', 'done', 'refused', 'failed')),
    code text,
    detail text,
    at timestamptz,
    -- the attempt that a decision is about; null for other actions
    seen_attempt integer,
    -- until when a worker holds the item, and how many have taken it
    lease_until timestamptz,
    tries smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (operation_id, onboarding_id)
  )`,
  `CREATE INDEX operation_items_onboarding ON operation_items USING hash (onboarding_id)`,
  `CREATE INDEX operation_items_waiting ON operation_items (operation_id, onboarding_id)
    WHERE outcome = 'waiting'`,
  // No call goes to an integration that has a row here. Each claim reads this table.
  `CREATE TABLE integration_pauses (
    integration text PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL,
    reason text NOT NULL
  )`,
  // The funnel of the onboardings that began on the same day (UTC): see docs/decisions/0032.
  `CREATE TABLE funnel_days (
    day date NOT NULL,
    integration text NOT NULL,
    started integer NOT NULL,
    code_sent integer NOT NULL,
    verified integer NOT NULL,
    registered integer NOT NULL,
    live integer NOT NULL,
    -- by state and result code
    endings jsonb NOT NULL,
    -- for each pair of stages, how many onboardings took how long, by fixed buckets
    times jsonb NOT NULL,
    PRIMARY KEY (day, integration)
  )`,
  `CREATE TABLE funnel_counts (
    day date PRIMARY KEY,
    counted_at timestamptz NOT NULL,
    took_ms double precision NOT NULL,
    -- all onboardings of the day have ended
    is_final boolean NOT NULL
  )`,
  // "default" is the level of all modules without a row.
  `CREATE TABLE log_levels (
    module text PRIMARY KEY,
    level text NOT NULL,
    actor text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz NOT NULL
  )`,
  // Refusals that the service does not recognize, without personal data (docs/decisions/0037).
  `CREATE TABLE unknown_refusals (
    id uuid PRIMARY KEY,
    integration text NOT NULL,
    step text NOT NULL,
    status integer NOT NULL,
    -- empty for all texts beyond the limit of an integration
    refusal text NOT NULL,
    count bigint NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    -- the latest example; null for a probe
    onboarding_id uuid
  )`,
  `CREATE UNIQUE INDEX unknown_refusals_text ON unknown_refusals (integration, step, status, refusal)`,
];

const TABLES = [
  'onboardings',
  'onboarding_events',
  'otp_budgets',
  'webauthn_challenges',
  'credentials',
  'idempotency_keys',
  'api_keys',
  'audit_events',
  'operator_sessions',
  'operator_links',
  'operator_flows_used',
  'integration_views',
  'integration_troubles',
  'onboarding_counts',
  'integration_trials',
  'operation_items',
  'operations',
  'integration_pauses',
  'funnel_days',
  'funnel_counts',
  'log_levels',
  'unknown_refusals',
];
