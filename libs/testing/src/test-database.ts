import { Client, escapeIdentifier } from 'pg';
import { fromTestRun, workerName } from './test-run.js';

let made: Promise<string> | undefined;

/**
 * A copy of the migrated template for this jest worker, empty when a test file starts.
 *
 * @throws Error if jest runs without `npm test`
 */
export function testDatabaseUrl(): Promise<string> {
  made ??= makeDatabase();
  return made;
}

/** The app connects to this jest worker's database through the pooler, if a long test runs one. */
export async function testDatabaseEnv(): Promise<Record<string, string>> {
  const url = new URL(await testDatabaseUrl());
  url.port = process.env['GANGWAY_TEST_POOLER_PORT'] ?? url.port;
  return { DATABASE_URL: url.href, DATABASE_POOLER: process.env['GANGWAY_TEST_POOLER'] ?? 'none' };
}

/**
 * Deletes all rows in this jest worker's database, except the list of migrations.
 *
 * @throws Error if an open transaction of a test holds a lock for 10 s
 */
export async function emptyDatabase(): Promise<void> {
  await truncate(await testDatabaseUrl());
}

async function makeDatabase(): Promise<string> {
  const name = `gangway_test_${workerName('_')}`;
  const server = fromTestRun('GANGWAY_TEST_DATABASE_URL');
  const url = new URL(server);
  url.pathname = `/${name}`;
  const exists = await connected(server, async (client) => {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (found.rowCount === 1) return true;
    const template = escapeIdentifier(fromTestRun('GANGWAY_TEST_TEMPLATE'));
    await client.query(`CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${template}`);
    return false;
  });
  if (exists) await truncate(url.href);
  return url.href;
}

function truncate(url: string): Promise<void> {
  return connected(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
       WHERE schemaname = 'public' AND tablename NOT LIKE '%migrations'`,
    );
    if (rows.length === 0) return;
    await client.query("SET lock_timeout = '10s'");
    await client.query(`TRUNCATE ${rows.map(({ name }) => name).join(', ')} RESTART IDENTITY CASCADE`);
  });
}

async function connected<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
