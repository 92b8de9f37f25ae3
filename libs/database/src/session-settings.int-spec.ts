import { afterEach, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { testDatabaseUrl } from '#libs/testing';
import { createDataSource } from './data-source.js';

/** Each setting has a value at the start of a connection, and one for our statements. */
const SETTINGS: readonly (readonly [name: string, begins: string, sees: string])[] = [
  ['search_path', 'hostile', 'public, pg_temp'],
  ['datestyle', 'German', 'ISO, MDY'],
  ['intervalstyle', 'iso_8601', 'postgres'],
  ['timezone', 'America/St_Johns', 'UTC'],
  ['bytea_output', 'escape', 'hex'],
  ['extra_float_digits', '-15', '1'],
  ['standard_conforming_strings', 'off', 'on'],
  ['array_nulls', 'off', 'on'],
  ['transform_null_equals', 'on', 'off'],
  ['exit_on_error', 'on', 'off'],
  ['enable_seqscan', 'on', 'off'],
  ['enable_hashjoin', 'on', 'off'],
  ['enable_mergejoin', 'on', 'off'],
  ['plan_cache_mode', 'force_custom_plan', 'force_generic_plan'],
  ['jit', 'on', 'off'],
  ['statement_timeout', '7s', '9s'],
  ['lock_timeout', '7s', '0'],
  ['transaction_timeout', '7s', '0'],
  ['idle_in_transaction_session_timeout', '7s', '0'],
  ['idle_session_timeout', '7s', '0'],
  ['synchronous_commit', 'off', 'on'],
  ['synchronous_commit', 'local', 'local'],
  ['synchronous_commit', 'remote_apply', 'remote_apply'],
];
/** Behind a pooler in transaction mode, the boot fails if this setting is wrong. */
const ISOLATION = ['default_transaction_isolation', 'serializable', 'read committed'] as const;

let dataSource: DataSource | undefined;
afterEach(() => dataSource?.destroy());

describe.each([
  ['none', [...SETTINGS, ISOLATION]],
  ['transaction', SETTINGS],
] as const)('with DATABASE_POOLER=%s, a connection', (pooler, settings) => {
  it.each(settings)('that begins with %s = %s runs its statements with %s', async (name, begins, sees) => {
    const url = new URL(await testDatabaseUrl());
    url.searchParams.set('options', `-c ${name}=${begins}`);
    const options = { url: url.href, pooler, poolSize: 1, statementTimeoutMs: 9_000 };
    dataSource = await createDataSource(options).initialize();
    const text = 'SELECT current_setting($1) AS seen';
    // Only the second statement has a deadline, because the first one reads PostgreSQL's clock.
    for (let n = 0; n < 2; n++) {
      const [{ seen }] = await dataSource.query(text, [name]);
      if (pooler === 'transaction' && name === 'statement_timeout') expect(seen).toMatch(/^(9s|\d{4}ms)$/);
      else expect(seen).toBe(sees);
    }
  });
});
