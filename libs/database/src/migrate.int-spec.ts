import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, escapeIdentifier } from 'pg';
import { testDatabaseUrl, until } from '#libs/testing';
import { migrate } from './migrate.js';
import { MIGRATIONS } from './migrations/index.js';

/** A database with nothing in it, beside the worker's own. */
let empty: URL;
let admin: Client;

beforeAll(async () => {
  const own = new URL(await testDatabaseUrl());
  admin = new Client({ connectionString: own.href });
  await admin.connect();
  empty = new URL(own);
  empty.pathname = `${own.pathname}_empty`;
  await admin.query(`CREATE DATABASE ${escapeIdentifier(empty.pathname.slice(1))}`);
});
afterAll(async () => {
  await admin.query(`DROP DATABASE ${escapeIdentifier(empty.pathname.slice(1))} WITH (FORCE)`);
  await admin.end();
});

const names = MIGRATIONS.map((migration) => migration.name);

async function inEmpty<Row>(text: string): Promise<Row[]> {
  const client = new Client({ connectionString: empty.href });
  await client.connect();
  try {
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}

describe('migrate', () => {
  it('runs each migration once, in order, whoever starts at the same time', async () => {
    const ran = await Promise.all([migrate(empty.href), migrate(empty.href), migrate(empty.href)]);
    expect(ran.flat()).toEqual(names);
    expect(await inEmpty('SELECT name FROM migrations ORDER BY id')).toEqual(names.map((name) => ({ name })));
  });

  it('finds nothing to do in a schema that is up to date, and gives its lock back', async () => {
    expect(await migrate(empty.href)).toEqual([]);
    expect(await inEmpty(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory'`)).toEqual([]);
  });

  it('goes back to nothing, and forth again', async () => {
    const { createDataSource } = await import('./data-source.js');
    const dataSource = await createDataSource({ url: empty.href }).initialize();
    for (const _ of names) await dataSource.undoLastMigration();
    await dataSource.destroy();
    expect(
      await inEmpty(
        `SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations'`,
      ),
    ).toEqual([]);
    expect(await migrate(empty.href)).toEqual(names);
  });
});

describe('a migration of a database in use', () => {
  /** Brings the database to where the migration of that name comes next. */
  async function backBefore(name: string): Promise<void> {
    const { createDataSource } = await import('./data-source.js');
    const dataSource = await createDataSource({ url: empty.href }).initialize();
    for (const _ of names.slice(names.indexOf(name))) await dataSource.undoLastMigration();
    await dataSource.destroy();
  }

  it.each([
    ['ReplayedRequests1763900000000', 'onboardings'],
    ['Owners1764100000000', 'onboardings'],
    ['SealedData1764200000000', 'onboarding_events'],
    ['FirstPasswords1764400000000', 'operators'],
    ['Restorable1764800000000', 'onboarding_events'],
    ['ChallengeTries1765000000000', 'webauthn_challenges'],
    ['IntegrationTrials1765100000000', 'onboardings'],
  ])('%s gives up where somebody holds its table, and can be run again', async (name, table) => {
    await backBefore(name);
    const holder = new Client({ connectionString: empty.href });
    await holder.connect();
    await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS SHARE MODE`);
    await expect(migrate(empty.href)).rejects.toThrow('lock timeout');
    await holder.query('COMMIT');
    await holder.end();
    expect(await migrate(empty.href)).toEqual(names.slice(names.indexOf(name)));
  });

  it('lets everybody write while it builds an index', async () => {
    await backBefore('Indexes1764500000000');
    const [holder, writer] = [0, 1].map(() => new Client({ connectionString: empty.href })) as [
      Client,
      Client,
    ];
    await Promise.all([holder.connect(), writer.connect()]);
    await holder.query('BEGIN; LOCK TABLE onboardings IN ROW EXCLUSIVE MODE');
    const building = migrate(empty.href);
    await until('an index waits for the one who writes', async () => {
      const waiting = await inEmpty(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
           AND query LIKE 'CREATE INDEX%'`,
      );
      return waiting.length > 0;
    });
    await writer.query(`BEGIN; SET LOCAL lock_timeout = '1s'; LOCK TABLE onboardings IN ROW EXCLUSIVE MODE`);
    await writer.query('COMMIT');
    await holder.query('COMMIT');
    await building;
    await Promise.all([holder.end(), writer.end()]);
  });

  it('builds an index anew that was not built to its end', async () => {
    await backBefore('Indexes1764500000000');
    await inEmpty('CREATE INDEX onboardings_kept ON onboardings (updated_at)');
    await inEmpty(`UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'onboardings_kept'::regclass`);
    await migrate(empty.href);
    const [kept] = await inEmpty<{ def: string; valid: boolean }>(
      `SELECT pg_get_indexdef(indexrelid) AS def, indisvalid AS valid FROM pg_index
       WHERE indexrelid = 'onboardings_kept'::regclass`,
    );
    expect(kept).toMatchObject({ valid: true, def: expect.stringContaining('erased_at IS NULL') });
  });
});
