import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client, escapeIdentifier } from 'pg';
import { testDatabaseUrl } from '#libs/testing';
import { migrate } from './migrate.js';
import { MIGRATIONS } from './migrations/index.js';

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
  it('runs each migration once, in order, even if several replicas start together', async () => {
    const ran = await Promise.all([migrate(empty.href), migrate(empty.href), migrate(empty.href)]);
    expect(ran.flat()).toEqual(names);
    expect(await inEmpty('SELECT name FROM migrations ORDER BY id')).toEqual(names.map((name) => ({ name })));
  });

  it('does nothing if the schema is up to date, and releases its lock', async () => {
    expect(await migrate(empty.href)).toEqual([]);
    const locks = `SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database
      WHERE locktype = 'advisory' AND d.datname = current_database()`;
    expect(await inEmpty(locks)).toEqual([]);
  });

  it('runs the migrations again after they were reverted', async () => {
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
