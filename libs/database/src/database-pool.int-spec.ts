import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { testDatabaseUrl } from '#libs/testing';
import { createDataSource } from './data-source.js';
import { findOutage } from './database-fault.js';
import { PreparedStatements } from './prepared-statements.js';

/** After these errors, the connection stays open. */
const REFUSED = {
  'a clause that refuses': [`SELECT gangway_refuse('spec')`, 'GW001'],
  'a value that is taken': [`INSERT INTO spec_pool VALUES (1)`, '23505'],
  'an invalid value': [`SELECT 'none'::uuid`, '22P02'],
  'a value that is too large': ['SELECT 1 / 0', '22012'],
  'a missing table': ['SELECT 1 FROM spec_nowhere', '42P01'],
  'a lock that is not available': [`DO $$ BEGIN RAISE lock_not_available; END $$`, '55P03'],
} as const;

/** After these errors, the connection's state is unknown, or it leads to the wrong server. */
const LOST = {
  'a server that takes no writes': [`DO $$ BEGIN RAISE SQLSTATE '25006'; END $$`, '25006'],
  'a statement that takes too long': ['SELECT pg_sleep(9)', '57014'],
  'a server that has no room': [`DO $$ BEGIN RAISE SQLSTATE '53200'; END $$`, '53200'],
  'a backend that was ended': ['SELECT pg_terminate_backend(pg_backend_pid())', '57P01'],
  'damaged data': [`DO $$ BEGIN RAISE SQLSTATE 'XX001'; END $$`, 'XX001'],
} as const;

describe.each(['none', 'transaction'] as const)('a connection, with DATABASE_POOLER=%s', (pooler) => {
  let dataSource: DataSource;
  let statements: PreparedStatements;
  beforeAll(async () => {
    const url = await testDatabaseUrl();
    dataSource = await createDataSource({ url, pooler, poolSize: 1, statementTimeoutMs: 1_000 }).initialize();
    statements = new PreparedStatements(dataSource);
    await dataSource.query('CREATE TABLE spec_pool AS SELECT 1 AS id');
    await dataSource.query('CREATE UNIQUE INDEX ON spec_pool (id)');
  });
  afterAll(async () => {
    await dataSource.query('DROP TABLE spec_pool');
    await dataSource.destroy();
  });

  const backend = async (): Promise<number> =>
    (await dataSource.query('SELECT pg_backend_pid() AS pid'))[0].pid;

  it.each(Object.entries(REFUSED))('stays open after this error: %s', async (what, [text, code]) => {
    const before = await backend();
    for (let n = 0; n < 3; n++) {
      const named = { name: `spec_${what.replaceAll(' ', '_')}`, text };
      await expect(statements.run(named, [])).rejects.toMatchObject({ code });
      await expect(dataSource.query(text)).rejects.toMatchObject({ code });
    }
    expect(await backend()).toBe(before);
  });

  it('can be used after a failed transaction', async () => {
    const failing = dataSource.transaction((manager) => manager.query('SELECT 1 / 0'));
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(await dataSource.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it.each(Object.entries(LOST))('is closed after this error: %s', async (_, [text, code]) => {
    const before = await backend();
    await expect(dataSource.query(text)).rejects.toMatchObject({ code });
    expect(await backend()).not.toBe(before);
  });

  it('is closed if any connection of the pool reaches a read-only server', async () => {
    const wide = createDataSource({ url: await testDatabaseUrl(), pooler, poolSize: 3 });
    await wide.initialize();
    const backends = async () => {
      const runners = [1, 2, 3].map(() => wide.createQueryRunner());
      await Promise.all(runners.map((runner) => runner.connect()));
      const told = runners.map((runner) => runner.query('SELECT pg_backend_pid() AS pid'));
      const pids = (await Promise.all(told)).map(([{ pid }]) => pid as number);
      await Promise.all(runners.map((runner) => runner.release()));
      return pids;
    };
    try {
      const before = await backends();
      expect(new Set(before).size).toBe(3);
      const [text, code] = LOST['a server that takes no writes'];
      await expect(wide.query(text)).rejects.toMatchObject({ code });
      for (const pid of await backends()) expect(before).not.toContain(pid);
    } finally {
      await wide.destroy();
    }
  });
});

describe('a connection that cannot be opened', () => {
  it.each<[what: string, change: (url: URL) => void]>([
    ['a database that takes no connections (55000)', (url) => (url.pathname = '/template0')],
    ['a server without TLS', (url) => url.searchParams.set('sslmode', 'require')],
    [
      'a setting that the server does not know (42704)',
      (url) => url.searchParams.set('options', '-c spec=1'),
    ],
  ])('counts as an outage, with each error: %s', async (_, change) => {
    const url = new URL(await testDatabaseUrl());
    change(url);
    const opened = createDataSource({ url: url.href }).initialize();
    const error = await opened.catch((reason: unknown) => reason);
    expect(findOutage(error)).toBe('The database refuses this service.');
  });
});
