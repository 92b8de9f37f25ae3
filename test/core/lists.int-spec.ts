import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Client, escapeLiteral } from 'pg';
import { DataSource } from 'typeorm';
import type { Caller } from '#libs/kernel';
import { aCaller, testDatabaseUrl } from '#libs/testing';
import { sessionSettings } from '../../libs/database/src/session-settings.js';
import { OnboardingLists } from '../../libs/onboarding/src/commands/onboarding-lists.js';
import type { ListFilter } from '../../libs/onboarding/src/store/list-reader.js';
import { openWithSteps } from '../../libs/onboarding/src/fixtures/open-with-steps.js';

const THIRD = 100_000;
const LIMIT = 50;
/**
 * A list's query reads three or four pages of 8 kB for each index range. The table has thousands of pages.
 */
const MOST_BUFFERS = 200;

let module: TestingModule;
/** Without a statement timeout, because writing so many rows takes long. */
let client: Client;
const told: string[] = [];

const [OLDEST_MS, MIDDLE_MS, NEWEST_MS] = [0, 1, 2].map((n) => Date.UTC(2026, 9, 1 + n)) as [
  number,
  number,
  number,
];

/**
 * Each third of the rows has one caller, integration and state, from oldest to newest: `bank`, byzantine,
 * failed; `shop`, byzantine, completed; `bank`, turnkey, otp_sent. So pairs such as `shop` and failed have no
 * row. Only the first 50 rows have rare values: an integration, a caller, and times from which the list
 * derives another state.
 */
const FILL = `
  INSERT INTO onboardings (id, created_at, caller, integration, provider, subject, subject_key,
    external_ref, state, step, otp_expires_at, session_ends_at, idle_ends_at, life_ends_at,
    doubt_attempt, parked_reason, parked_at, due_at)
  SELECT (lpad(to_hex(ms), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
    to_timestamp(ms / 1000.0),
    CASE WHEN n <= 5 THEN 'rare' WHEN third = 1 THEN 'shop' ELSE 'bank' END,
    CASE WHEN n <= 5 THEN 'rare' WHEN third = 2 THEN 'turnkey' ELSE 'byzantine' END, 'byzantine',
    jsonb_build_object('accountId', CASE third WHEN 0 THEN 'common' ELSE n::text END, 'userId', n::text),
    'lists-' || n, CASE third WHEN 0 THEN 'common' WHEN 1 THEN 'ref-' || n END, state,
    CASE state WHEN 'otp_submitted' THEN 'verify-otp' END,
    t + CASE WHEN n BETWEEN 11 AND 30 THEN -1 ELSE 1 END * interval '1 hour', NULL,
    t + interval '2 hours', t + CASE WHEN n BETWEEN 31 AND 40 THEN -1 ELSE 24 END * interval '1 hour',
    CASE WHEN n BETWEEN 21 AND 30 THEN 1 END,
    CASE WHEN n BETWEEN 41 AND 50 THEN 'upstream_misconfigured' END, CASE WHEN n BETWEEN 41 AND 50 THEN t END,
    CASE WHEN state IN ('failed', 'completed') THEN NULL WHEN n BETWEEN 11 AND 40 THEN t - interval '1 hour'
      ELSE t + interval '1 hour' END
  FROM generate_series(1, ${3 * THIRD}) n, LATERAL (SELECT (n - 1) / ${THIRD} AS third) a,
    LATERAL (SELECT ${OLDEST_MS} + third * 86400000::bigint + n AS ms,
      CASE WHEN n BETWEEN 11 AND 50
          THEN CASE WHEN n BETWEEN 21 AND 30 OR n > 40 THEN 'otp_submitted' ELSE 'otp_sent' END
        WHEN third = 0 THEN 'failed' WHEN third = 1 THEN 'completed' ELSE 'otp_sent' END AS state) b,
    clock_timestamp() t`;

beforeAll(async () => {
  module = await openWithSteps({
    INTEGRATIONS: 'byzantine,turnkey',
    INTEGRATION_TURNKEY_PROVIDER: 'turnkey',
    INTEGRATION_TURNKEY_BASE_URL: 'http://127.0.0.1:1',
    INTEGRATION_TURNKEY_RP_ID: 'app.example.com',
    INTEGRATION_TURNKEY_RP_NAME: 'Acme',
    INTEGRATION_TURNKEY_ORIGINS: 'https://app.example.com',
    INTEGRATION_TURNKEY_ORGANIZATION_ID: '11111111-2222-4333-8444-555555555555',
    INTEGRATION_TURNKEY_PRIVATE_KEY: '02'.repeat(32),
    INTEGRATION_TURNKEY_APP_NAME: 'Acme',
    INTEGRATION_TURNKEY_CUSTODY: 'client',
  });
  client = new Client({ connectionString: await testDatabaseUrl() });
  await client.connect();
  await client.query(sessionSettings(0));
  await client.query(FILL);
  await client.query('VACUUM (ANALYZE) onboardings');
}, 300_000);
afterAll(async () => {
  process.stdout.write(`${told.join('\n')}\n`);
  await client.query('TRUNCATE onboardings');
  await Promise.all([client.end(), module.close()]);
});

interface Cost {
  buffers: number;
  ms: number;
}

async function costOf(filter: Partial<ListFilter>, caller: Caller): Promise<Cost & { rows: number }> {
  const log = jest.spyOn(module.get(DataSource).logger, 'logQuery');
  try {
    const { rows } = await module.get(OnboardingLists).list({ limit: LIMIT, ...filter }, caller);
    const [text, values] = log.mock.calls.at(-1)!;
    // Prepared, because the service's connections use generic plans.
    await client.query(`PREPARE list AS ${text}`);
    const given = (values as ListValue[]).map(literal).join(', ');
    const { rows: plans } = await client.query<{ 'QUERY PLAN': [Explained] }>(
      `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE list (${given})`,
    );
    await client.query('DEALLOCATE list');
    const { Plan: plan, 'Planning Time': planning, 'Execution Time': execution } = plans[0]!['QUERY PLAN'][0];
    const buffers = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
    return { buffers, ms: planning + execution, rows: rows.length };
  } finally {
    log.mockRestore();
  }
}

type ListValue = string | number | string[];
const literal = (value: ListValue): string =>
  Array.isArray(value)
    ? escapeLiteral(`{${value.map((each) => JSON.stringify(each)).join(',')}}`)
    : escapeLiteral(String(value));

interface Explained {
  Plan: Record<'Shared Hit Blocks' | 'Shared Read Blocks', number>;
  'Planning Time': number;
  'Execution Time': number;
}

const newest = { createdAfter: new Date(NEWEST_MS) };
const oldest = { createdBefore: new Date(MIDDLE_MS) };

const CASES: [name: string, filter: Partial<ListFilter>, rows: number, caller?: Caller][] = [
  ['nothing', {}, LIMIT],
  ['a state, ended', { states: ['failed'] }, LIMIT],
  ['a state, live', { states: ['otp_sent'] }, LIMIT],
  ['a state without a row', { states: ['cancelled'] }, 0],
  ['otp_needed, because of time only', { states: ['otp_needed'] }, 10],
  ['outcome_unknown, because of time only', { states: ['outcome_unknown'] }, 10],
  ['expired, because of time only', { states: ['expired'] }, 10],
  ['a caller', { caller: 'shop' }, LIMIT],
  ['a rare caller', { caller: 'rare' }, 5],
  ['an integration', { integration: 'turnkey' }, LIMIT],
  ['a rare integration', { integration: 'rare' }, 5],
  ['an unknown integration', { integration: 'none' }, 0],
  ['a time, newest', newest, LIMIT],
  ['a time, oldest', oldest, LIMIT],
  ['a time without a row', { createdAfter: new Date(OLDEST_MS - 2), createdBefore: new Date(OLDEST_MS) }, 0],
  ['a common account', { accountId: 'common' }, LIMIT],
  ['an account', { accountId: '250000' }, 1],
  ['an organization', { organizationId: '17' }, 0],
  ['ended with an unresolved attempt', { endedUnresolved: true }, 0],
  ['a user', { userId: '17' }, 1],
  ['a common reference', { externalRef: 'common' }, LIMIT],
  ['a reference', { externalRef: 'ref-150000' }, 1],
  ['a contact', { contact: 'ana@example.com' }, 0],
  ['parked', { parked: true }, 10],
  ['not parked', { parked: false }, LIMIT],
  ['a reason of parking', { parkedReason: 'upstream_misconfigured' }, 10],
  ['a reason of parking × integration', { parkedReason: 'integration_paused', integration: 'turnkey' }, 0],
  ['a step', { step: 'verify-otp' }, 20],
  ['step × state', { step: 'verify-otp', states: ['outcome_unknown'] }, 10],
  ['step × another state', { step: 'verify-otp', states: ['failed'] }, 0],
  ['waiting', { waiting: true }, 0],
  ['waiting × step × integration', { waiting: true, step: 'init-otp', integration: 'byzantine' }, 0],
  ['caller × state', { caller: 'shop', states: ['failed'] }, 0],
  ['caller × live state', { caller: 'shop', states: ['otp_sent'] }, 0],
  ['caller × otp_needed', { caller: 'shop', states: ['otp_needed'] }, 0],
  ['integration × state', { integration: 'turnkey', states: ['failed'] }, 0],
  ['integration × live state', { integration: 'byzantine', states: ['otp_sent'] }, 0],
  ['integration × expired', { integration: 'turnkey', states: ['expired'] }, 0],
  ['caller × integration', { caller: 'shop', integration: 'turnkey' }, 0],
  ['state × time, newest', { states: ['failed'], ...newest }, 0],
  ['state × time, oldest', { states: ['completed'], ...oldest }, 0],
  ['two states', { states: ['failed', 'otp_sent'] }, LIMIT],
  ['two states, one because of time only', { states: ['cancelled', 'otp_needed'] }, 10],
  ['caller × time', { caller: 'shop', ...oldest }, 0],
  ['integration × time', { integration: 'turnkey', ...oldest }, 0],
  ['caller × integration × state', { caller: 'bank', integration: 'byzantine', states: ['completed'] }, 0],
  ['own, in some integrations', {}, 0, aCaller('shop', ['onboardings:read'], ['turnkey', 'rare'])],
  ['own, of an account', { accountId: '250000' }, 0, aCaller('rare', ['onboardings:read'])],
];

describe('a list of onboardings, in a table of 300 000 rows', () => {
  it.each(CASES)(
    'reads few pages of PostgreSQL if it is filtered by %s',
    async (name, filter, rows, caller = aCaller()) => {
      await costOf(filter, caller);
      const cost = await costOf(filter, caller);
      told.push(`list by ${name}: ${cost.buffers} buffers, ${cost.ms.toFixed(1)} ms`);
      expect(cost.rows).toBe(rows);
      expect(cost.buffers).toBeLessThan(MOST_BUFFERS);
    },
  );
});
