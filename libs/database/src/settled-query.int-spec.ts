import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Query } from 'pg';
import type { DataSource } from 'typeorm';
import { testDatabaseUrl } from '#libs/testing';
import { createDataSource } from './data-source.js';
import { poolOf } from './prepared-statements.js';

const LIMIT_MS = 1_000;

/** Works as if behind a pooler in transaction mode. Its one connection has a queue, as a pooler has. */
let dataSource: DataSource;
beforeAll(async () => {
  const options = { url: await testDatabaseUrl(), pooler: 'transaction', poolSize: 1 } as const;
  dataSource = await createDataSource({ ...options, statementTimeoutMs: LIMIT_MS }).initialize();
  await dataSource.query('CREATE TABLE spec_late (said text)');
});
afterAll(async () => {
  await dataSource.query('DROP TABLE spec_late');
  await dataSource.destroy();
});

/** Not one of our queries, so it has no time limit. */
const busyFor = (seconds: number) => new Query(`SELECT pg_sleep(${seconds})`);

/** @returns the error of a statement that is sent while the connection is busy; null if it succeeds. */
async function afterWait(seconds: number, text: string): Promise<Error | null> {
  const client = await poolOf(dataSource).take();
  void client.query(busyFor(seconds));
  const error = await client.query(text).then(
    () => null,
    (reason: Error) => reason,
  );
  client.release();
  return error;
}

describe('a statement behind a pooler in transaction mode', () => {
  it('runs with its values, and reports its own error', async () => {
    expect(await dataSource.query('SELECT $1::int * 2 AS double', [21])).toEqual([{ double: 42 }]);
    await expect(dataSource.query('SELECT $1::uuid', ['none'])).rejects.toMatchObject({ code: '22P02' });
    // This error has the same SQLSTATE as a missed deadline.
    await expect(
      dataSource.query(`SELECT set_config('statement_timeout', 'too late', true)`),
    ).rejects.toMatchObject({ code: '22023' });
  });

  it('is cancelled at its deadline, which includes the wait for the connection', async () => {
    const error = await afterWait(0.3, 'SELECT pg_sleep(0.9)');
    expect(error).toMatchObject({
      code: '57014',
      message: expect.not.stringContaining('kept it for too long'),
    });
  });

  it('fails if its deadline passes before it begins, and does not run later', async () => {
    const error = await afterWait(1.2, `INSERT INTO spec_late VALUES ('late')`);
    expect(error).toMatchObject({ code: '57014', message: expect.stringContaining('kept it for too long') });
    // A missed deadline ends the connection, so the next statements use a new one.
    expect(await dataSource.query('SELECT * FROM spec_late')).toEqual([]);
    await dataSource.query(`INSERT INTO spec_late VALUES ('in time')`);
    expect(await dataSource.query('SELECT said FROM spec_late')).toEqual([{ said: 'in time' }]);
  });

  it('has no time limit if no timeout is set', async () => {
    const patient = createDataSource({ url: await testDatabaseUrl(), pooler: 'transaction' });
    await patient.initialize();
    expect(await patient.query(`SELECT current_setting('statement_timeout') AS limit`)).toEqual([
      { limit: '0' },
    ]);
    await patient.destroy();
  });
});
