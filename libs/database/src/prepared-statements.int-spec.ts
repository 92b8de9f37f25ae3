import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { testDatabaseUrl } from '#libs/testing';
import { createDataSource } from './data-source.js';
import { PreparedStatements, poolOf } from './prepared-statements.js';

const DOUBLE = { name: 'spec_double', text: 'SELECT $1::int * 2 AS double' };
const SEEN = {
  name: 'spec_seen',
  text: 'SELECT name, statement FROM pg_prepared_statements WHERE name = $1',
};

/** Writes two rows, with a pause between. Together with the reverse order, it causes a deadlock. */
const lockBoth = (first: number, second: number) => ({
  name: `spec_lock_${first}_${second}`,
  text: `
    WITH one AS (UPDATE spec_deadlock SET n = n + 1 WHERE id = ${first} RETURNING 1),
      gap AS (SELECT pg_sleep(0.3) FROM one)
    UPDATE spec_deadlock SET n = n + 1 WHERE id = ${second} AND EXISTS (SELECT 1 FROM gap)`,
});

let dataSource: DataSource;
let statements: PreparedStatements;

beforeAll(async () => {
  // One connection, so that every statement runs in the same backend.
  dataSource = await createDataSource({ url: await testDatabaseUrl(), poolSize: 1 }).initialize();
  statements = new PreparedStatements(dataSource);
});
afterAll(() => dataSource.destroy());

describe('PreparedStatements', () => {
  it("prepares a statement by its name, once, in the backend that TypeORM's own queries use", async () => {
    const before = await dataSource.query('SELECT pg_backend_pid() AS pid');
    expect(await statements.run(DOUBLE, [21])).toEqual([{ double: 42 }]);
    expect(await statements.run(DOUBLE, [4])).toEqual([{ double: 8 }]);

    expect(await statements.run(SEEN, [DOUBLE.name])).toEqual([
      { name: DOUBLE.name, statement: DOUBLE.text },
    ]);
    const seen = await dataSource.query(
      `SELECT pg_backend_pid() AS pid, generic_plans + custom_plans AS plans
      FROM pg_prepared_statements WHERE name = $1`,
      [DOUBLE.name],
    );
    expect(seen).toEqual([{ pid: before[0].pid, plans: '2' }]);
  });

  it('sends a statement as one chunk after its first run, and asks for no row description', async () => {
    await statements.run(DOUBLE, [1]);
    const client = await poolOf(dataSource).take();
    client.release();
    const { connection } = client as unknown as { connection: Record<'_send' | 'describe', () => boolean> };
    const [sent, asked] = [jest.spyOn(connection, '_send'), jest.spyOn(connection, 'describe')];
    expect(await statements.run(DOUBLE, [3])).toEqual([{ double: 6 }]);
    expect([sent.mock.calls.length, asked.mock.calls.length]).toEqual([1, 0]);
    jest.restoreAllMocks();
  });

  it('throws if two statements have the same name but different texts', async () => {
    await expect(statements.run({ name: DOUBLE.name, text: 'SELECT 1' }, [])).rejects.toThrow(
      /must be unique/,
    );
  });

  it('throws PostgreSQL’s errors with their codes', async () => {
    const broken = { name: 'spec_broken', text: 'SELECT $1::uuid' };
    await expect(statements.run(broken, ['no uuid'])).rejects.toMatchObject({ code: '22P02' });
    expect(await statements.run(DOUBLE, [1])).toEqual([{ double: 2 }]);
  });

  it('runs a statement again after a deadlock', async () => {
    const others = await createDataSource({ url: await testDatabaseUrl(), poolSize: 1 }).initialize();
    try {
      await dataSource.query('CREATE TABLE spec_deadlock AS SELECT id, 0 AS n FROM generate_series(1, 2) id');
      await Promise.all([
        statements.run(lockBoth(1, 2), []),
        new PreparedStatements(others).run(lockBoth(2, 1), []),
      ]);
      expect(await dataSource.query('SELECT n FROM spec_deadlock ORDER BY id')).toEqual([{ n: 2 }, { n: 2 }]);
    } finally {
      await dataSource.query('DROP TABLE spec_deadlock');
      await others.destroy();
    }
  });

  it('throws if the driver’s internals have changed', async () => {
    const changed = new PreparedStatements({ driver: {} } as DataSource);
    await expect(changed.run(DOUBLE, [1])).rejects.toThrow(/no pool named master/);
  });
});
