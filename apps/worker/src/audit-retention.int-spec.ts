import { afterEach, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { Retention } from '#libs/onboarding';
import { testServersConfig } from '#libs/testing';
import { WorkerModule } from './worker.module.js';

let worker: TestingModule;
afterEach(() => worker.close());

describe('the retention job of the worker', () => {
  it.each([
    ['400', 1],
    ['0', 0],
  ])('with AUDIT_KEEP_DAYS=%s, deletes %i of two events, 401 and 399 days old', async (days, forgotten) => {
    const config = await testServersConfig({ AUDIT_KEEP_DAYS: days });
    worker = await Test.createTestingModule({ imports: [WorkerModule.forRoot(config)] }).compile();
    worker.useLogger(false);
    await worker.init();
    const dataSource = worker.get(DataSource);
    await dataSource.query('DELETE FROM audit_events');
    await dataSource.query(
      `INSERT INTO audit_events (at, actor, action) VALUES
         (clock_timestamp() - interval '401 days', 'nobody', 'a'),
         (clock_timestamp() - interval '399 days', 'nobody', 'b')`,
    );
    expect(await worker.get(Retention).run()).toMatchObject({ auditEvents: forgotten });
    expect(await dataSource.query('SELECT action FROM audit_events ORDER BY id DESC LIMIT 1')).toEqual([
      { action: 'b' },
    ]);
  });
});
