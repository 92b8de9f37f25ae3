import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { Timelines } from '#libs/onboarding';
import { testDatabaseUrl } from '#libs/testing';
import { Story } from '../../support/story.js';

/** PostgreSQL settings that could change the results or the waits of our statements. */
const ADVERSE: Record<string, string> = {
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'iso_8601',
  TimeZone: 'America/St_Johns',
  search_path: 'hostile',
  bytea_output: 'escape',
  extra_float_digits: '-15',
  standard_conforming_strings: 'off',
  backslash_quote: 'off',
  array_nulls: 'off',
  transform_null_equals: 'on',
  quote_all_identifiers: 'on',
  client_encoding: 'LATIN1',
  xmlbinary: 'hex',
  exit_on_error: 'on',
  default_transaction_isolation: 'serializable',
  default_transaction_deferrable: 'on',
  synchronous_commit: 'off',
  statement_timeout: '3s',
  lock_timeout: '1ms',
  transaction_timeout: '3s',
  idle_session_timeout: '2s',
  idle_in_transaction_session_timeout: '2s',
  row_security: 'off',
  plan_cache_mode: 'force_custom_plan',
  enable_seqscan: 'off',
  enable_indexscan: 'off',
  check_function_bodies: 'off',
  client_min_messages: 'error',
  lc_numeric: 'C',
};

let admin: Client;
let database: string;
let role: string;
beforeAll(async () => {
  const url = new URL(await testDatabaseUrl());
  admin = new Client({ connectionString: url.href });
  await admin.connect();
  database = escapeIdentifier(url.pathname.slice(1));
  role = escapeIdentifier(decodeURIComponent(url.username));
});
afterAll(async () => {
  for (const whose of owners()) await admin.query(`${whose} RESET ALL`);
  await admin.query('DROP SCHEMA IF EXISTS hostile CASCADE');
  await admin.end();
});

const owners = () => [`ALTER DATABASE ${database}`, `ALTER ROLE ${role} IN DATABASE ${database}`];

describe('PostgreSQL’s settings for the role and for the database', () => {
  // Behind a pooler in transaction mode, the service cannot override this setting, and refuses to start.
  const pooled = process.env['GANGWAY_TEST_POOLER'] === 'transaction';
  const adverse = Object.entries(ADVERSE).filter(
    ([name]) => !(pooled && name === 'default_transaction_isolation'),
  );

  it.each(['database', 'role'])('do not change what the service reads or writes: %s', async (owner) => {
    await admin.query('CREATE SCHEMA IF NOT EXISTS hostile');
    await admin.query('CREATE TABLE IF NOT EXISTS hostile.onboardings (id uuid, state text)');
    const whose = owners()[owner === 'role' ? 1 : 0]!;
    for (const [name, value] of adverse) {
      const values = value.split(', ').map((one) => escapeLiteral(one));
      await admin.query(`${whose} SET ${name} = ${values.join(', ')}`);
    }
    // Long timeouts, because the machine may pause for seconds.
    const story = await Story.begin({ env: { CALL_TIMEOUT_MS: '20000', LEASE_MS: '60000' } });
    try {
      const before = Date.now();
      const { id } = await story.verified();
      const { status, body } = await story.register(id, [await story.passkey(id)]);
      expect([status, body.state]).toEqual([200, 'completed']);
      expect(Math.abs(Date.parse(body.createdAt) - before)).toBeLessThan(60_000);
      const { body: list } = await story.call<{ items: { id: string }[] }>('GET', '/v1/onboardings');
      expect(list.items.map((each) => each.id)).toContain(id);
      expect(await story.service.get(Timelines).verifyTimeline(id)).toMatchObject({ fault: null });
    } finally {
      await story.end();
      await admin.query(`${whose} RESET ALL`);
    }
  });
});
