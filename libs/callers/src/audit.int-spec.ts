import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { PreparedStatements, createDataSource } from '#libs/database';
import { testDatabaseUrl } from '#libs/testing';
import { Audit } from './audit.js';

const DAY_MS = 86_400_000;

let dataSource: DataSource;
let statements: PreparedStatements;
let audit: Audit;
beforeAll(async () => {
  Logger.overrideLogger(false);
  dataSource = await createDataSource({ url: await testDatabaseUrl(), poolSize: 2 }).initialize();
  statements = new PreparedStatements(dataSource);
  audit = new Audit(statements);
});
afterAll(() => dataSource.destroy());

const insert = (target: string, count: number, days: number) =>
  dataSource.query(
    `INSERT INTO audit_events (at, actor, action, target)
     SELECT clock_timestamp() - $3::float8 * interval '1 day', 'nobody', 'tried', $1
     FROM generate_series(1, $2)`,
    [target, count, days],
  );

describe('the audit', () => {
  it('deletes old events in batches, and keeps newer events', async () => {
    await insert('old', 5_001, 31);
    await insert('young', 3, 29);
    const run = jest.spyOn(statements, 'run');
    expect(await audit.forget(30 * DAY_MS)).toBe(5_001);
    expect(run.mock.calls).toHaveLength(2);
    const [statement, values] = run.mock.calls[0]!;
    run.mockRestore();
    expect((await audit.latest(10)).map(({ target }) => target)).toEqual(['young', 'young', 'young']);
    // PostgreSQL must find the rows by the index on `at`.
    await insert('young', 20_000, 1);
    await dataSource.query('ANALYZE audit_events');
    const plan = await dataSource.query(`EXPLAIN (FORMAT JSON) ${statement.text}`, values);
    expect(JSON.stringify(plan)).toContain('audit_events_at');
  });

  it('writes a row and a log line for each event, and lists the latest first', async () => {
    const log = jest.spyOn(Logger.prototype, 'log').mockReturnValue(undefined);
    const event = { actor: 'cli:test', action: 'tried', target: 'key', address: '192.0.2.1', data: { n: 1 } };
    await audit.record(event);
    expect(log.mock.calls).toEqual([[{ audit: event }, 'audit: tried by cli:test']]);
    await audit.write({ ...event, address: null, target: null, data: { n: 2 } });
    audit.say({ ...event, data: { n: 3 } });
    expect(log).toHaveBeenCalledTimes(2);
    log.mockRestore();
    const kept = { id: expect.stringMatching(/^\d+$/), at: expect.any(Date) };
    const [latest, before, ...more] = await audit.latest(2);
    expect(latest).toEqual({ ...event, ...kept, address: null, target: null, data: { n: 2 } });
    expect(before).toEqual({ ...event, ...kept });
    expect(more).toEqual([]);
    expect(await audit.latest(1, latest!.id)).toEqual([before]);
  });

  it('logs no event that it could not store', async () => {
    const log = jest.spyOn(Logger.prototype, 'log').mockReturnValue(undefined);
    const bad = { actor: 'cli:test', action: 'tried', target: null, address: null, data: { text: '\0' } };
    await expect(audit.record(bad)).rejects.toThrow();
    expect(log).not.toHaveBeenCalled();
    log.mockRestore();
  });
});
