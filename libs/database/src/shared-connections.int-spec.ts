import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { testDatabaseUrl, until } from '#libs/testing';
import { createDataSource } from './data-source.js';
import { DatabasePool } from './database-pool.js';
import { PreparedStatements, prepared } from './prepared-statements.js';

const shared = (text: string) => ({ ...prepared(text), shares: true });
const PID = shared('SELECT pg_backend_pid() AS pid');
const REFUSED = shared(`SELECT 'none'::uuid`);
const ENDED = shared('SELECT pg_terminate_backend(pg_backend_pid())');
const NAP = shared('SELECT pg_sleep($1::float8)');
const LOCK = shared('UPDATE spec_shared SET n = n + 1');
const XID = shared('SELECT pg_current_xact_id()::text AS xid');
const DOUBLE = shared('SELECT $1::int * 2 AS double');
const JSON_OF = shared('SELECT $1::jsonb AS json');
const WAITERS = 'SELECT 1 FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))';

let dataSource: DataSource;
let statements: PreparedStatements;

beforeAll(async () => {
  const url = await testDatabaseUrl();
  dataSource = await createDataSource({ url, poolSize: 3, statementTimeoutMs: 5_000 }).initialize();
  statements = new PreparedStatements(dataSource);
  await dataSource.query('CREATE TABLE spec_shared AS SELECT 0 AS n');
});
afterAll(async () => {
  await dataSource.query('DROP TABLE spec_shared');
  await dataSource.destroy();
});

const pids = async (count: number): Promise<number[]> => {
  const runs = Array.from({ length: count }, () => statements.run<{ pid: number }>(PID, []));
  return (await Promise.all(runs)).map(([row]) => row!.pid);
};

describe('statements at the same time', () => {
  it('share one connection', async () => {
    expect(new Set(await pids(20)).size).toBe(1);
  });

  it('end separately: if one statement fails, the others succeed', async () => {
    const results = await Promise.allSettled([
      statements.run(LOCK, []),
      statements.run(REFUSED, []),
      statements.run(LOCK, []),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await dataSource.query('SELECT n FROM spec_shared')).toEqual([{ n: 2 }]);
  });

  it('avoid a connection whose statement waits for a lock', async () => {
    const holder = dataSource.createQueryRunner();
    await holder.startTransaction();
    const [{ pid }] = await holder.query('SELECT pg_backend_pid() AS pid FROM spec_shared FOR UPDATE');
    const waiting = statements.run(LOCK, []);
    await until('a statement that waits', async () => (await dataSource.query(WAITERS, [pid])).length > 0);
    // The lock lasts longer than a statement may wait for other statements on a connection.
    await holder.query('SELECT pg_sleep(0.05)');
    const [free] = await pids(1);
    expect(free).not.toBe(pid);
    await holder.commitTransaction();
    await holder.release();
    await waiting;
  });

  it('all fail if their connection breaks, and the next statements get another connection', async () => {
    const [before] = await pids(1);
    const runs = [statements.run(ENDED, []), statements.run(PID, []), statements.run(PID, [])];
    const ended = await Promise.allSettled(runs);
    expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await pids(1)).not.toEqual([before]);
  });

  it('all fail if no connection is available', async () => {
    const url = new URL(await testDatabaseUrl());
    url.port = '1';
    const nowhere = new DatabasePool({ connectionString: url.href, pooler: 'none', statementTimeoutMs: 0 });
    const runs = [nowhere.run(PID, true), nowhere.run(PID, true)];
    const ended = await Promise.allSettled(runs);
    expect(ended.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await nowhere.end();
  });

  it('have a timeout that begins when PostgreSQL begins them, not when they are sent', async () => {
    const url = await testDatabaseUrl();
    const brief = await createDataSource({ url, poolSize: 1, queryTimeoutMs: 1_500 }).initialize();
    const own = new PreparedStatements(brief);
    // Together, the statements take longer than the timeout. Each statement alone takes only 0.4 s.
    const all = Array.from({ length: 4 }, () => own.run(NAP, [0.4]));
    await expect(Promise.all(all)).resolves.toHaveLength(4);
    await expect(own.run(NAP, [9])).rejects.toThrow(/Connection terminated/);
    await expect(own.run(NAP, [0])).resolves.toHaveLength(1);
    await brief.destroy();
  });

  it('leave a connection to a caller that waits for one', async () => {
    let isOver = false;
    const busy = Array.from({ length: 200 }, async () => {
      while (!isOver) await statements.run(NAP, [0.001]);
    });
    // The statements use all connections of the pool without a pause, so no connection ever becomes idle.
    const [row] = await dataSource.query('SELECT 1 AS one');
    isOver = true;
    expect(row).toEqual({ one: 1 });
    await Promise.all(busy);
  });

  it('do not wait behind a statement that runs alone', async () => {
    const holder = dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SELECT 1 FROM spec_shared FOR UPDATE');
    const slow = statements.run({ ...LOCK, name: 'spec_alone', shares: false }, []);
    expect(await pids(1)).toHaveLength(1);
    await holder.commitTransaction();
    await holder.release();
    await slow;
  });
});

describe('statements of one turn of the event loop', () => {
  let own: DataSource;
  let runner: PreparedStatements;
  beforeAll(async () => {
    own = await createDataSource({ url: await testDatabaseUrl(), poolSize: 3 }).initialize();
    runner = new PreparedStatements(own);
  });
  afterAll(() => own.destroy());

  const together = (...runs: [Parameters<typeof statements.run>[0], unknown[]][]) =>
    Promise.allSettled(runs.map(([statement, values]) => runner.run(statement, values)));
  const n = async () => (await dataSource.query<{ n: number }[]>('SELECT n FROM spec_shared'))[0]!.n;

  it('are one transaction, of at most 16 statements', async () => {
    const runs = await together(...Array.from({ length: 20 }, () => [XID, []] as [typeof XID, []]));
    const xids = runs.map((run) => (run as PromiseFulfilledResult<{ xid: string }[]>).value[0]!.xid);
    expect(new Set(xids.slice(0, 16)).size).toBe(1);
    expect(new Set(xids).size).toBe(2);
  });

  it('get their own rows, in the first run and in later runs', async () => {
    for (const run of [1, 2]) {
      const [double, pid, json, none] = await together(
        [DOUBLE, [run]],
        [PID, []],
        [JSON_OF, [{ run }]],
        [LOCK, []],
      );
      expect([double, json, none]).toMatchObject([
        { value: [{ double: 2 * run }] },
        { value: [{ json: { run } }] },
        { value: [] },
      ]);
      expect(pid!.status).toBe('fulfilled');
    }
  });

  it('are carried out once each if one of them fails', async () => {
    const before = await n();
    const runs = await together([LOCK, []], [REFUSED, []], [LOCK, []], [REFUSED, []]);
    expect(runs.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
    expect(runs[1]).toMatchObject({ reason: { code: '22P02' } });
    expect(await n()).toBe(before + 2);
  });

  it('are carried out once each, except those whose values or name cannot be sent', async () => {
    const before = await n();
    const circular: unknown[] = [];
    circular.push({ circular });
    const runs = await together(
      [LOCK, []],
      [PID, []],
      [JSON_OF, [circular[0]]],
      [{ ...PID, text: 'SELECT 1' }, []],
    );
    const ends = runs.map((run) => (run.status === 'rejected' ? String(run.reason) : run.status));
    expect(ends).toEqual([
      'fulfilled',
      'fulfilled',
      expect.stringContaining('circular'),
      expect.stringContaining('must be unique'),
    ]);
    expect(await n()).toBe(before + 1);
  });

  it('wait only briefly for another statement that waits for a lock', async () => {
    const holder = dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('SELECT 1 FROM spec_shared FOR UPDATE');
    const waiting = runner.run(LOCK, []);
    await expect(runner.run(DOUBLE, [4])).resolves.toEqual([{ double: 8 }]);
    await holder.commitTransaction();
    await holder.release();
    await expect(waiting).resolves.toEqual([]);
  });

  it('are carried out once each if another process locks the same rows in the reverse order', async () => {
    await dataSource.query('CREATE TABLE spec_rows AS SELECT id, 0 AS n FROM generate_series(1, 2) id');
    const other = await createDataSource({ url: await testDatabaseUrl(), poolSize: 1 }).initialize();
    try {
      const add = shared('UPDATE spec_rows SET n = n + 1 WHERE id = $1::int');
      const addBoth = (to: PreparedStatements, ids: number[]) =>
        Promise.all([to.run(add, [ids[0]]), to.run(NAP, [0.05]), to.run(add, [ids[1]])]);
      await Promise.all([addBoth(runner, [1, 2]), addBoth(new PreparedStatements(other), [2, 1])]);
      expect(await dataSource.query('SELECT n FROM spec_rows')).toEqual([{ n: 2 }, { n: 2 }]);
    } finally {
      await other.destroy();
      await dataSource.query('DROP TABLE spec_rows');
    }
  });
});
