import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Client } from 'pg';
import { DataSource } from 'typeorm';
import { PreparedStatements, type PreparedStatement } from '#libs/database';
import { aCaller, testDatabaseUrl } from '#libs/testing';
import { Challenges } from '../../libs/authenticators/src/challenges.js';
import { Credentials } from '../../libs/authenticators/src/credentials.js';
import { OtpBudget } from '../../libs/otp/src/otp-budget.js';
import { OnboardingLists } from '../../libs/onboarding/src/commands/onboarding-lists.js';
import { openWithSteps } from '../../libs/onboarding/src/fixtures/open-with-steps.js';
import type { State } from '../../libs/onboarding/src/flow/table.js';
import { sessionSettings } from '../../libs/database/src/session-settings.js';
import type { Statement } from '../../libs/onboarding/src/store/statement.js';

const ROWS = 100_000;
const LARGE = [
  'onboardings',
  'onboarding_events',
  'otp_budgets',
  'webauthn_challenges',
  'credentials',
  'idempotency_keys',
  'operations',
  'operation_items',
];

let module: TestingModule;
/** The row counts for which the test makes plans while PostgreSQL has no statistics. */
const SMALL = [0, 300, 3_000];
let columnNames = new Set<string>();
const plansWhenSmall = new Map<string, Lookup[]>();
/** Without a statement timeout, because writing so many rows takes long. */
let client: Client;
beforeAll(async () => {
  module = await openWithSteps();
  client = new Client({ connectionString: await testDatabaseUrl() });
  await client.connect();
  await client.query(sessionSettings(0));
  const { rows: ofTables } = await client.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = ANY ($1::regclass[]) AND attnum > 0`,
    [LARGE],
  );
  columnNames = new Set(ofTables.map(({ name }) => name));
  const all = await statements();
  // After the migrations, PostgreSQL has no statistics. In a transaction, autovacuum cannot collect any.
  await client.query('BEGIN');
  // An index on an expression has its own statistics.
  await client.query(
    `DELETE FROM pg_statistic WHERE starelid = ANY ($1::regclass[])
      OR starelid IN (SELECT indexrelid FROM pg_index WHERE indrelid = ANY ($1::regclass[]))`,
    [LARGE],
  );
  for (const rows of SMALL) {
    await fill(rows);
    for (const { name, text } of all) plansWhenSmall.set(`${rows} ${name}`, lookupsIn(await explained(text)));
  }
  await client.query('ROLLBACK');
  await fill(ROWS);
  await client.query(`ANALYZE ${LARGE.join(', ')}`);
}, 300_000);
afterAll(async () => {
  await client.query(`TRUNCATE ${LARGE.join(', ')}`);
  await Promise.all([client.end(), module.close()]);
});

async function fill(rows: number): Promise<void> {
  await client.query(`TRUNCATE ${LARGE.join(', ')} CASCADE`);
  // Most onboardings have ended and have an `anchor`. Some others are due, a few parked or without anchor.
  await client.query(`
    INSERT INTO onboardings (
      id, integration, provider, subject, subject_key, data_key_id, state, step, last_seq,
      otp_expires_at, session_ends_at, lease_until, next_attempt_at, parked_reason, parked_at, due_at, anchor,
      anchored_seq, external_ref, idle_ends_at, life_ends_at, updated_at)
    SELECT (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid, 'byzantine', 'byzantine',
      jsonb_build_object('accountId', n::text, 'userId', n::text),
      'scans-' || n, CASE WHEN n % 500 = 0 THEN 'old' ELSE 'test' END, s,
      CASE WHEN s = 'otp_submitted' THEN 'verify-otp' END, 1,
      t + interval '5 minutes', t + interval '10 minutes', NULL,
      CASE WHEN s = 'otp_submitted' AND n % 100 <> 0 THEN t + n * interval '1 second' END,
      CASE WHEN s = 'otp_submitted' AND n % 100 = 0 THEN 'upstream_misconfigured' END,
      CASE WHEN s = 'otp_submitted' AND n % 100 = 0 THEN t END,
      CASE WHEN s <> 'completed' THEN t + n * interval '1 second' WHEN n % 1000 = 0 THEN t END,
      CASE WHEN s = 'completed' AND n % 1000 <> 0 THEN 'anchor'::bytea END,
      CASE WHEN s = 'completed' AND n % 1000 <> 0 THEN 1 END,
      'ref-' || n, t + interval '30 minutes', t + interval '1 day', t - n * interval '1 second'
    FROM generate_series(1, ${rows}) n, clock_timestamp() t,
      LATERAL (
        SELECT CASE n % 10 WHEN 0 THEN 'otp_submitted' WHEN 5 THEN 'otp_sent' ELSE 'completed' END AS s
      ) AS of_row`);
  for (const copy of [
    `INSERT INTO onboarding_events (onboarding_id, seq, type, actor)
     SELECT id, 1, 'created', 'caller' FROM onboardings`,
    `INSERT INTO otp_budgets (integration, subject_key, live_id)
     SELECT integration, subject_key, id FROM onboardings`,
    `INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
     SELECT id, 'challenge', updated_at + interval '1 day' FROM onboardings`,
    `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id)
     SELECT integration, subject_key, 'c-' || id, id FROM onboardings WHERE state = 'completed'`,
    `INSERT INTO idempotency_keys (caller, route, key, fingerprint, onboarding_id, sealed_answer, created_at)
     SELECT 'a', 'b', id::text, 'c', id, 'd', updated_at FROM onboardings`,
    // One operation for each 1,000 onboardings. Only the last one runs, and half of its items wait.
    `INSERT INTO operations (id, action, actor, via, reason, target, state, ended_at)
     SELECT id, 'resend', 'a', 'console', 'r', '{}', CASE WHEN n < ${rows} THEN 'done' ELSE 'running' END,
       CASE WHEN n < ${rows} THEN updated_at END
     FROM (SELECT o.id, o.updated_at, row_number() OVER (ORDER BY o.id) AS n FROM onboardings o) numbered
     WHERE n % 1000 = 0`,
    `INSERT INTO operation_items (operation_id, onboarding_id, outcome)
     SELECT p.id, o.id, CASE WHEN p.state = 'done' OR random() < 0.5 THEN 'done' ELSE 'waiting' END
     FROM (SELECT o.id, 1000 * ceil(row_number() OVER (ORDER BY o.id) / 1000.0) AS n FROM onboardings o) o
     JOIN (SELECT p.id, p.state, 1000 * row_number() OVER (ORDER BY p.id) AS n FROM operations p) p
       ON p.n = o.n`,
  ]) {
    await client.query(copy);
  }
}

interface Plan {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  'Conflict Arbiter Indexes'?: string[];
  Plans?: Plan[];
}

async function explained(text: string, values?: unknown[]): Promise<Plan[]> {
  const how = values ? 'FORMAT JSON' : 'GENERIC_PLAN, FORMAT JSON';
  const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(`EXPLAIN (${how}) ${text}`, values);
  const flat = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(flat)];
  return flat(rows[0]!['QUERY PLAN'][0]!.Plan);
}

const indexesIn = (nodes: Plan[]) =>
  [
    ...new Set(
      nodes.flatMap((node) => [node['Index Name'] ?? [], node['Conflict Arbiter Indexes'] ?? []].flat()),
    ),
  ].sort();

const scansIn = (nodes: Plan[]) =>
  nodes
    .filter((node) => node['Node Type'] === 'Seq Scan' && LARGE.includes(node['Relation Name']!))
    .map((node) => node['Relation Name']);

interface Lookup {
  index: string;
  /** The columns of the index condition. */
  columns: string[];
}

/** How a plan uses the indexes of large tables. */
const lookupsIn = (nodes: Plan[]): Lookup[] =>
  nodes
    .flatMap(({ 'Index Name': index = '', 'Index Cond': condition = '' }) => {
      const named = condition.match(/\w+/g) ?? [];
      const isLarge = LARGE.some((table) => index.startsWith(table));
      return isLarge
        ? { index, columns: [...new Set(named)].filter((name) => columnNames.has(name)).sort() }
        : [];
    })
    .sort((one, other) => JSON.stringify(one).localeCompare(JSON.stringify(other)));

async function statements(): Promise<PreparedStatement[]> {
  const libs = join(import.meta.dirname, '../../libs/onboarding/src');
  const files = [
    ...readdirSync(join(libs, 'store/statements')).map((file) => join(libs, 'store/statements', file)),
    join(libs, 'operations/operation-statements.ts'),
  ];
  const modules = await Promise.all(files.map((file) => import(file) as Promise<Record<string, unknown>>));
  const isStatement = (value: unknown): value is Statement =>
    typeof value === 'object' && value !== null && 'bind' in value;
  const all = [
    ...modules.flatMap((each) => Object.values(each).filter(isStatement)),
    ...(await ofTheSteps()),
  ];
  return [...new Map(all.map((each) => [each.name, each])).values()];
}

async function ofTheSteps(): Promise<PreparedStatement[]> {
  const run = jest.spyOn(module.get(PreparedStatements), 'run').mockResolvedValue([]);
  const subject = { integration: 'byzantine', subjectKey: 's' };
  const [budget, credentials, challenges] = [
    module.get(OtpBudget),
    module.get(Credentials),
    module.get(Challenges),
  ];
  // `mustHaveTry` throws if there are no rows. The test needs only its statement.
  await budget.mustHaveTry(subject).catch(() => undefined);
  await credentials.taken('byzantine', []);
  await challenges.forget();
  await challenges.countFailure(randomUUID(), []);
  const sent = run.mock.calls.map(([statement]) => statement);
  run.mockRestore();
  return sent;
}

const ROW = 'onboardings_pkey';
const KEY = 'idempotency_keys_pkey';
const BUDGET = 'otp_budgets_pkey';
const EVENTS = 'onboarding_events_pkey';
const PAUSES = 'integration_pauses_pkey';
const CHALLENGES = 'webauthn_challenges_pkey';
const OPERATION = 'operations_pkey';
const OPEN = `${OPERATION}|operations_open`;
const ITEMS = 'operation_items_pkey';
const FUNNEL_DAYS = 'funnel_days_pkey';
const FUNNEL_COUNTS = 'funnel_counts_pkey';
/** The indexes in each statement's generic plan. "a|b" means either index, because both find the row. */
const PLANS: Record<string, string[]> = {
  start: [KEY, ROW, BUDGET, PAUSES],
  claim_send: [KEY, ROW, BUDGET, PAUSES],
  claim_verify: [KEY, ROW, BUDGET, PAUSES],
  claim_authenticators: [KEY, ROW, 'credentials_pkey', 'credentials_by_id', CHALLENGES, PAUSES],
  retry: [ROW, PAUSES],
  retry_send: [ROW, BUDGET, PAUSES],
  settle_send: [ROW, KEY, BUDGET],
  settle_verify: [ROW, KEY, BUDGET],
  settle_authenticators: [ROW, KEY],
  command: [KEY, ROW],
  wait_for_writers: [ROW],
  wait_for_starts: [BUDGET],
  now: [],
  with_new_events: [ROW],
  erase_late: [CHALLENGES, 'idempotency_keys_onboarding'],
  erase: [ROW, BUDGET, EVENTS, CHALLENGES, 'credentials_pkey', 'idempotency_keys_onboarding'],
  due: ['onboardings_due'],
  expire: [ROW],
  push_back: [ROW],
  wake: ['onboardings_due', ROW],
  not_woken: [ROW],
  put_off: [ROW],
  keep_requests: [ROW],
  find: [ROW],
  find_latest: [BUDGET, ROW],
  find_for_passkeys: [ROW, CHALLENGES, 'credentials_pkey'],
  parked: ['onboardings_parked'],
  parked_integrations: ['onboardings_parked', PAUSES],
  resumed_integrations: ['onboardings_parked', PAUSES, 'operations_open'],
  parked_by_pause: ['onboardings_parked', PAUSES],
  waiting_steps: ['onboardings_by_state'],
  kept_too_long: ['onboardings_kept'],
  unanchored: ['onboardings_unanchored', EVENTS],
  anchor: [ROW],
  last_anchored: [ROW],
  timeline: [ROW, EVENTS],
  timelines: [ROW, EVENTS],
  events_after: [EVENTS],
  other_key_ids: ['onboardings_data_key'],
  one_per_sealing_key: ['onboardings_data_key'],
  sealed_with: ['onboardings_data_key'],
  wrap: [ROW],
  answer: [KEY],
  find_key: [KEY],
  release_key: [KEY],
  forget_keys: ['idempotency_keys_created'],
  budget_usage: [BUDGET],
  forget_budgets: [BUDGET, ROW],
  taken_credentials: ['credentials_by_id'],
  issue_challenge: [ROW, 'credentials_pkey', KEY, CHALLENGES],
  count_failure: [CHALLENGES],
  forget_challenges: ['webauthn_challenges_expiry'],
  count_slice: ['onboardings_by_state', PAUSES],
  expiry_lag: ['onboardings_due'],
  now_waiting: ['onboardings_waiting'],
  now_lost: ['onboardings_by_state'],
  now_parked: ['onboardings_parked'],
  now_ended_unresolved: ['onboardings_ended_unresolved'],
  find_by_otp_id: ['onboardings_by_state'],
  funnel_batch: [ROW, EVENTS],
  funnel_state: [ROW, FUNNEL_COUNTS],
  funnel_write: [FUNNEL_DAYS, FUNNEL_COUNTS],
  funnel_read: [FUNNEL_DAYS],
  funnel_counted: [FUNNEL_COUNTS],
  find_operation: [OPERATION],
  list_operations: [OPERATION],
  operation_items: [ITEMS],
  operations_of_onboarding: ['operation_items_onboarding', OPERATION],
  pause_integration: [PAUSES],
  resume_integration: [PAUSES],
  rebuild_wake_ups: [KEY],
  abort_operation: [OPEN],
  knows_integration: ['integration_views_pkey', PAUSES, BUDGET],
  begin_operation: [OPEN],
  open_operations: ['operations_open'],
  take_operation_items: ['operation_items_waiting', OPEN, KEY],
  record_operation_items: [`${ITEMS}|operation_items_waiting`, OPERATION],
  end_operation: [OPEN, 'operation_items_waiting'],
  lease_operation: [OPEN],
  count_operation: [OPEN],
  return_operation: [OPERATION],
  end_system_operation: [OPEN],
  forget_operations: ['operations_ended', OPERATION, ITEMS],
};
/** Reads a whole table, once an hour in the background. */
const READS_ALL = ['key_use'];

describe('the prepared statements', () => {
  it('are all listed in this file, with the indexes that their plans may use', async () => {
    const names = (await statements()).map(({ name }) => name.slice('gw_'.length));
    expect(names.sort()).toEqual([...Object.keys(PLANS), ...READS_ALL].sort());
  });

  it.each(Object.entries(PLANS))(
    'have a generic plan that reads large tables only through the expected indexes: %s, %p',
    async (name, indexes) => {
      const { text } = (await statements()).find((each) => each.name === `gw_${name}`)!;
      const nodes = await explained(text);
      expect(scansIn(nodes)).toEqual([]);
      const used = indexesIn(nodes);
      const allowed = new Set(indexes.flatMap((each) => each.split('|')));
      expect(used.filter((index) => !allowed.has(index))).toEqual([]);
      expect(indexes.filter((each) => !each.split('|').some((index) => used.includes(index)))).toEqual([]);
    },
  );
});

/** Only an operator's page uses this statement. A slow plan is acceptable until the next `ANALYZE`. */
const MAY_VARY = new Set(['operations_of_onboarding']);

// A connection keeps its plans, while tables may grow a thousandfold before PostgreSQL analyzes them.
describe.each(SMALL)('a plan made while the tables had %i rows', (rows) => {
  it.each(Object.keys(PLANS).filter((name) => !MAY_VARY.has(name)))(
    'uses the same indexes as a plan made with full tables, and all its index columns: statement %s',
    async (name) => {
      const { text } = (await statements()).find((each) => each.name === `gw_${name}`)!;
      const full = lookupsIn(await explained(text));
      expect(plansWhenSmall.get(`${rows} gw_${name}`)).toEqual(
        full.map(({ index, columns }) => ({
          index,
          columns: expect.arrayContaining(columns) as unknown,
        })),
      );
    },
  );
});

describe('in tables whose rows are mostly not due', () => {
  it.each([
    ['due', 'onboardings_due', 'due_at <='],
    ['wake', 'onboardings_due', 'due_at <='],
    ['unanchored', 'onboardings_unanchored', 'due_at <='],
    ['kept_too_long', 'onboardings_kept', 'updated_at <'],
    ['forget_keys', 'idempotency_keys_created', 'created_at <'],
    ['forget_challenges', 'webauthn_challenges_expiry', 'expires_at <='],
  ])(
    'the statement "%s" finds the due rows through the index %s, and reads no other rows',
    async (name, index, condition) => {
      const { text } = (await statements()).find((each) => each.name === `gw_${name}`)!;
      const scan = (await explained(text)).find((node) => node['Index Name'] === index);
      expect(scan?.['Index Cond']).toContain(condition);
    },
  );
});

describe('a list filtered by state', () => {
  async function plan(state: State): Promise<Plan[]> {
    const log = jest.spyOn(module.get(DataSource).logger, 'logQuery');
    try {
      await module.get(OnboardingLists).list({ states: [state], limit: 20 }, aCaller());
      const [text, values] = log.mock.calls.at(-1)!;
      return await explained(text, values as unknown[]);
    } finally {
      log.mockRestore();
    }
  }

  it.each<[State, string[]]>([
    ['otp_sent', ['onboardings_by_state']],
    ['completed', ['onboardings_by_state']],
    ['otp_needed', ['onboardings_by_state', 'onboardings_due']],
    ['outcome_unknown', ['onboardings_by_state', 'onboardings_due']],
    ['expired', ['onboardings_by_state', 'onboardings_due']],
  ])('reads the onboardings in state "%s" only through the indexes %p', async (state, indexes) => {
    const nodes = await plan(state);
    expect(scansIn(nodes)).toEqual([]);
    expect(indexesIn(nodes)).toEqual(indexes);
  });
});
