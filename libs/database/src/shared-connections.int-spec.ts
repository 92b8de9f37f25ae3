import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { testDatabaseUrl, until } from '#libs/testing';
import { createDataSource, type Connecting } from './data-source.js';
import { DatabasePool } from './database-pool.js';
import { PreparedStatements, prepared, type PreparedStatement } from './prepared-statements.js';

const shared = (text: string) => ({ ...prepared(text), shares: true });
const PID = shared('SELECT pg_backend_pid() AS pid');
const REFUSED = shared(`SELECT 'none'::uuid`);
const ENDED = shared('SELECT pg_terminate_backend(pg_backend_pid())');
const NAP = shared('SELECT pg_sleep($1::float8)');
const LOCK = shared('UPDATE spec_shared SET n = n + 1');
const CAST = shared('SELECT $1::text::int AS cast');
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
    // After 0.15 s, no other statement joins this connection.
    await holder.query('SELECT pg_sleep(0.15)');
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
    // Together, the statements take longer than the timeout. Each alone takes only 0.4 s.
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
    // The statements use all connections of the pool without a pause, so none becomes idle.
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
  type Run = [statement: PreparedStatement, values: unknown[]];
  let own: DataSource;
  let runner: PreparedStatements;
  const open = async (options: Partial<Connecting> = {}) => {
    own = await createDataSource({ url: await testDatabaseUrl(), poolSize: 3, ...options }).initialize();
    runner = new PreparedStatements(own);
    // A connection can run a statement together with others only after it has run it alone.
    for (const run of [1, 2])
      await together([DOUBLE, [run]], [PID, []], [XID, []], [NAP, [0]], [CAST, ['1']]);
  };
  beforeEach(() => open());
  afterEach(() => own.destroy());

  const together = (...runs: Run[]) =>
    Promise.allSettled(runs.map(([statement, values]) => runner.run(statement, values)));
  const ends = (runs: PromiseSettledResult<unknown>[]) =>
    runs.map((run) => (run.status === 'fulfilled' ? 'ok' : ((run.reason as { code?: string }).code ?? '')));
  const n = async () => (await dataSource.query<{ n: number }[]>('SELECT n FROM spec_shared'))[0]!.n;
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('run in one transaction, or in several if there are more than 32 statements', async () => {
    // With a stopped clock, no slow statement opens another connection.
    const clock = jest.spyOn(performance, 'now').mockReturnValue(performance.now());
    await own.destroy();
    await open();
    const runs = await together(...Array.from({ length: 40 }, (): Run => [XID, []]));
    const xids = runs.map((run) => (run as PromiseFulfilledResult<{ xid: string }[]>).value[0]!.xid);
    expect(new Set(xids.slice(0, 32)).size).toBe(1);
    expect(new Set(xids).size).toBe(2);
    clock.mockRestore();
  });

  it('get their own rows, in the first run and in later runs', async () => {
    for (const run of [1, 2, 3]) {
      const runs = await together([DOUBLE, [run]], [JSON_OF, [{ run }]], [LOCK, []], [DOUBLE, [-run]]);
      expect(runs).toMatchObject([
        { value: [{ double: 2 * run }] },
        { value: [{ json: { run } }] },
        { value: [] },
        { value: [{ double: -2 * run }] },
      ]);
    }
  });

  it('take effect exactly once each, except those that fail', async () => {
    const before = await n();
    await runner.run(LOCK, []);
    const runs = await together([LOCK, []], [CAST, ['none']], [LOCK, []], [REFUSED, []], [CAST, ['none']]);
    expect(ends(runs)).toEqual(['ok', '22P02', 'ok', '22P02', '22P02']);
    expect(await n()).toBe(before + 3);
  });

  it('run at most twice each if some of them fail', async () => {
    await dataSource.query('CREATE SEQUENCE spec_runs');
    const [good, bad] = [
      shared(`SELECT nextval('spec_runs')`),
      shared(`SELECT ('x' || nextval('spec_runs'))::int`),
    ];
    for (const each of [good, bad]) await together([each, []]);
    await dataSource.query('SELECT setval($1, 1)', ['spec_runs']);
    await together(...Array.from({ length: 16 }, (_, index): Run => [index % 2 ? bad : good, []]));
    const [{ runs }] = await dataSource.query('SELECT last_value::int AS runs FROM spec_runs');
    await dataSource.query('DROP SEQUENCE spec_runs');
    expect(runs).toBeLessThanOrEqual(33);
  });

  it('are carried out once each, except those whose values or name cannot be sent', async () => {
    const before = await n();
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    await runner.run(LOCK, []);
    const runs = await together(
      [LOCK, []],
      [PID, []],
      [JSON_OF, [circular]],
      [{ ...PID, text: 'SELECT 1' }, []],
      [LOCK, []],
    );
    const words = runs.map((run) => (run.status === 'rejected' ? String(run.reason) : run.status));
    expect(words[2]).toContain('circular');
    expect(words[3]).toContain('must be unique');
    expect([words[0], words[1], words[4]]).toEqual(Array(3).fill('fulfilled'));
    expect(await n()).toBe(before + 3);
  });

  it.each([
    ['times out', [NAP, [2]], '57014'],
    ['is refused', [CAST, ['none']], '22P02'],
  ] as [string, Run, string][])(
    'get only their own errors, together with or after a statement that %s',
    async (_what, run, code) => {
      await own.destroy();
      await open({ statementTimeoutMs: 300 });
      const first = together(run, [DOUBLE, [1]], [CAST, ['none']]);
      await turn();
      const second = together([DOUBLE, [2]], [CAST, ['none']], [DOUBLE, [3]]);
      expect(ends(await first)).toEqual([code, 'ok', '22P02']);
      expect(ends(await second)).toEqual(['ok', '22P02', 'ok']);
    },
  );

  it('get only their own errors on a server that is read-only', async () => {
    const url = new URL(await testDatabaseUrl());
    url.searchParams.set('options', '-c default_transaction_read_only=on');
    await own.destroy();
    await open({ url: url.href });
    const runs = await together([DOUBLE, [1]], [CAST, ['none']], [LOCK, []], [DOUBLE, [2]]);
    expect(ends(runs)).toEqual(['ok', '22P02', '25006', 'ok']);
  });

  it('get only their own errors on a new connection, also after a transaction that fails', async () => {
    await own.destroy();
    own = await createDataSource({ url: await testDatabaseUrl(), poolSize: 1 }).initialize();
    runner = new PreparedStatements(own);
    const [row] = await runner.run<{ pid: number }>(PID, []);
    const first = together([NAP, [0.005]], [CAST, ['none']], [CAST, ['none']], [LOCK, []], [PID, []]);
    for (const _ of [1, 2, 3]) await turn();
    const second = together([LOCK, []], [DOUBLE, [3]], [PID, []]);
    expect(ends(await first)).toEqual(['ok', '22P02', '22P02', 'ok', 'ok']);
    expect(ends(await second)).toEqual(['ok', 'ok', 'ok']);
    expect(await runner.run(PID, [])).toEqual([row]);
  });

  it('wait only briefly for another statement that waits for a lock', async () => {
    await runner.run(LOCK, []);
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
      for (const round of [1, 2, 3]) {
        await Promise.all([addBoth(runner, [1, 2]), addBoth(new PreparedStatements(other), [2, 1])]);
        const n = 2 * round;
        expect(await dataSource.query('SELECT n FROM spec_rows')).toEqual([{ n }, { n }]);
      }
    } finally {
      await other.destroy();
      await dataSource.query('DROP TABLE spec_rows');
    }
  });

  it('all fail soon if the connection gives no answer', async () => {
    await own.destroy();
    await open({ queryTimeoutMs: 500 });
    const beganAt = performance.now();
    const runs = await together([NAP, [9]], ...Array.from({ length: 15 }, (): Run => [DOUBLE, [1]]));
    expect(runs.map(({ status }) => status)).toEqual(Array(16).fill('rejected'));
    expect(performance.now() - beganAt).toBeLessThan(5_000);
  });
});
