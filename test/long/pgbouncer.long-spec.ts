import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { dataSourceOptions, isDatabaseAway, migrate, openDataSource } from '#libs/database';
import { testDatabaseUrl } from '#libs/testing';
import { behindPgBouncer, describeWithPgBouncer } from '../support/pgbouncer.js';

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));

jest.setTimeout(3_600_000);

/** E2e tests that cannot run behind a pooler, with the reason. */
const LEFT_OUT: Record<string, string> = {
  canary: 'makes its own role, which PgBouncer does not know',
  chaos: 'runs a fleet that cuts its own connections to PostgreSQL and kills its backends',
  fuzz: 'runs a command that connects to PostgreSQL directly, because it tests requests and not connections',
  'lost-acknowledgements': 'puts its own proxy in front of PostgreSQL, which reads the protocol',
  'cost-of-a-request': 'counts the connections of one process at PostgreSQL',
};

describeWithPgBouncer('PgBouncer and DATABASE_POOLER', () => {
  it.each([
    ['session', 'none', null],
    [
      'session',
      'transaction',
      'DATABASE_POOLER: is transaction, and the pooler is in session mode: use none',
    ],
    ['transaction', 'transaction', null],
    [
      'transaction',
      'none',
      'DATABASE_POOLER: is none, and connections go through a pooler in transaction mode: use transaction',
    ],
    ['statement', 'none', 'DATABASE_POOLER: does not allow a pooler in statement mode'],
    ['statement', 'transaction', 'DATABASE_POOLER: does not allow a pooler in statement mode'],
  ] as const)(
    'behind PgBouncer in %s mode with DATABASE_POOLER=%s, the boot ends with this error: %s',
    async (mode, pooler, fault) => {
      await behindPgBouncer(mode, async (url) => {
        const opened = openDataSource(dataSourceOptions({ url, pooler }));
        if (fault !== null) return expect(opened).rejects.toThrow(fault);
        await (await opened).destroy();
      });
    },
  );

  it('the service refuses DATABASE_POOLER=transaction without a pooler', async () => {
    const url = await testDatabaseUrl();
    await expect(openDataSource(dataSourceOptions({ url, pooler: 'transaction' }))).rejects.toThrow(
      'DATABASE_POOLER: is transaction, and connections go to PostgreSQL without a pooler: use none',
    );
  });

  it('migrations run behind PgBouncer in session mode, and are refused in transaction mode', async () => {
    await behindPgBouncer('session', async (url) => expect(await migrate(url)).toEqual([]));
    await behindPgBouncer('transaction', async (url) => {
      await expect(migrate(url)).rejects.toThrow('MIGRATION_DATABASE_URL');
    });
  });

  it('the service treats a query_wait_timeout of PgBouncer as an outage', async () => {
    const work = async (url: string) => {
      const dataSource = await openDataSource(dataSourceOptions({ url, pooler: 'transaction' }));
      const holder = new Client({ connectionString: url });
      await holder.connect();
      await holder.query('BEGIN');
      const refused: unknown = await dataSource.query('SELECT 1').catch((error: unknown) => error);
      expect(refused).toMatchObject({ message: expect.stringContaining('query_wait_timeout') });
      expect(isDatabaseAway(refused)).toBe(true);
      await holder.query('COMMIT');
      expect(await dataSource.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
      await Promise.all([holder.end(), dataSource.destroy()]);
    };
    await behindPgBouncer('transaction', work, { default_pool_size: 1, query_wait_timeout: 1 });
  });

  it.each([
    ['session', 'none'],
    ['transaction', 'transaction'],
  ] as const)('every e2e test that can run behind a pooler passes in %s mode', async (mode, pooler) => {
    for (const [story, why] of Object.entries(LEFT_OUT)) {
      process.stderr.write(`NOT TESTED behind PgBouncer: ${story}, because it ${why}\n`);
    }
    const code = await behindPgBouncer(mode, (_, port) =>
      runStories({
        GANGWAY_TEST_POOLER: pooler,
        GANGWAY_TEST_POOLER_PORT: String(port),
        // Databases for these tests, which are dropped at the end of the whole run.
        GANGWAY_TEST_RUN: `${process.env['GANGWAY_TEST_RUN']}${mode[0]}`,
      }),
    );
    expect(code).toBe(0);
  });
});

/** Runs the e2e tests, or only the files that match GANGWAY_TEST_STORIES. @returns jest's exit code. */
function runStories(env: Record<string, string>): Promise<number | null> {
  const jestFile = `${CHECKOUT}node_modules/jest/bin/jest.js`;
  const pattern = process.env['GANGWAY_TEST_STORIES'];
  const args = [
    '--selectProjects',
    'e2e',
    '--testPathIgnorePatterns',
    ...Object.keys(LEFT_OUT),
    '--maxWorkers=2',
    '--testTimeout=120000',
  ];
  const child = spawn(process.execPath, [jestFile, ...(pattern ? [pattern] : []), ...args], {
    cwd: CHECKOUT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
}
