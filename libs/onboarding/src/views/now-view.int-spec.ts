import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { PreparedStatements } from '#libs/database';
import { QueueWatch, Queues } from '#libs/jobs';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { anOnboarding, inMs, until } from '#libs/testing';
import { openViews } from '../fixtures/open-views.js';
import { IntegrationReports, type OwnView } from '../integrations/integration-reports.js';
import { NowView } from './now-view.js';
import type { Now } from './types.js';

let views: TestingModule;
let database: DataSource;
beforeAll(async () => {
  views = await openViews();
  database = views.get(DataSource);
  await until('Redis is there', () => views.get(Queues).isReady());
});
afterAll(() => views.close());

const reports = () => views.get(IntegrationReports);
const inOrder: OwnView = {
  integration: 'byzantine',
  breaker: 'closed',
  breakerAgeMs: null,
  refusedAgeMs: null,
  refusedStatus: null,
  skewMs: 12,
  signer: null,
  key: null,
};
beforeEach(async () => {
  await database.query('TRUNCATE onboardings, integration_views, integration_troubles');
  await reports().publish('service-1', [inOrder]);
  await reports().publish('worker-1', [inOrder]);
});

/** A new NowView for each read, because a NowView gives the same answer for one second. */
const now = (of = views): Promise<Now> =>
  new NowView(
    of.get(PreparedStatements),
    of.get(IntegrationReports),
    of.get(QueueWatch),
    of.get<Config>(CONFIG),
    of.get<Clock>(CLOCK),
  ).read();

const LAST = { step: 'create-authenticators', code: 'upstream_unavailable', detail: 'It is tried again.' };
const waiting = (columns: Record<string, unknown> = {}) =>
  anOnboarding(database, {
    state: 'authenticators_submitted',
    step: 'create-authenticators',
    session_ends_at: inMs(600_000),
    next_attempt_at: inMs(5_000),
    last_result: { ...LAST, at: new Date(Date.now() - 20_000).toISOString() },
    ...columns,
  });
const PARKED = {
  next_attempt_at: null,
  parked_reason: 'upstream_misconfigured',
  parked_at: inMs(-60_000),
};
const parked = (integration: string) => waiting({ integration, ...PARKED });

/** The ids of the copies end with 1, 2, 3 and so on. */
async function copies(count: number, id: string): Promise<void> {
  const columns = `integration, provider, subject, subject_key, state, step, lease_until, next_attempt_at,
    parked_reason, parked_at, last_result, idle_ends_at, life_ends_at`;
  await database.query(
    `INSERT INTO onboardings (id, ${columns})
     SELECT (left(id::text, 24) || to_char(n, 'FM000000000000'))::uuid, ${columns}
     FROM onboardings CROSS JOIN generate_series(1, $1::int) n WHERE id = $2`,
    [count, id],
  );
}

const kinds = ({ problems }: Now) => problems.map(({ kind, severity }) => `${severity} ${kind}`);

describe('the view of the present problems', () => {
  it('shows no problem if nothing is wrong', async () => {
    await anOnboarding(database);
    expect(await now()).toMatchObject({
      problems: [],
      integrations: [
        { name: 'byzantine', status: 'up', seenBy: [{ process: 'service-1' }, { process: 'worker-1' }] },
      ],
      waiting: [],
      queues: { redis: { status: 'up', detail: null } },
      processes: [
        { name: 'service-1', isLive: true },
        { name: 'worker-1', isLive: true },
      ],
    });
  });

  it('shows an outage first, with its errors, reporting processes and affected onboardings', async () => {
    await reports().publish('worker-1', [{ ...inOrder, breaker: 'open', breakerAgeMs: 30_000 }]);
    await reports().report([
      {
        integration: 'byzantine',
        what: 'create-authenticators',
        failures: 7,
        failure: 'unavailable',
        status: 503,
        sinceAgeMs: 40_000,
        lastAgeMs: 1_000,
        goodForMs: 90_000,
      },
    ]);
    for (let n = 0; n < 8; n++) await waiting();
    const read = await now();
    expect(kinds(read)).toEqual(['critical integration', 'notice waiting']);
    expect(read.problems[0]).toMatchObject({
      text: expect.stringMatching(/^byzantine: the breaker is open in worker-1 since .*503/),
      affected: { count: 8, counted: 'exactly' },
      integration: 'byzantine',
    });
    const since = Date.parse(read.problems[0]!.since!) - Date.parse(read.at);
    expect(Math.round(since / 10_000)).toBe(-4);
    expect(read.integrations[0]).toMatchObject({
      status: 'down',
      errors: [
        {
          call: 'create-authenticators',
          class: 'unavailable',
          upstreamStatus: 503,
          failures: 7,
          isCurrent: true,
        },
      ],
      seenBy: [{ breaker: 'closed' }, { breaker: 'open' }],
      affected: { waiting: { count: 8 }, parked: { count: 0 }, outcomeUnknown: { count: 0 } },
    });
    expect(read.waiting).toEqual([
      expect.objectContaining({
        integration: 'byzantine',
        step: 'create-authenticators',
        count: 8,
        counted: 'exactly',
        lastResultCode: 'upstream_unavailable',
        detail: 'It is tried again.',
      }),
    ]);
  });

  it('counts parked onboardings, and live and ended onboardings with an unknown outcome', async () => {
    await parked('byzantine');
    await parked('byzantine');
    await parked('gone');
    const lost = { state: 'outcome_unknown', step: 'verify-otp', updated_at: inMs(-120_000) };
    await anOnboarding(database, lost);
    const unresolved = [{ step: 'create-authenticators', attempt: 3, at: '2026-11-28T10:00:00.000Z' }];
    await anOnboarding(database, { state: 'expired', unresolved });
    await anOnboarding(database, { state: 'expired' });
    const read = await now();
    expect(read.parked.map(({ integration, reason, count }) => [integration, reason, count])).toEqual([
      ['byzantine', 'upstream_misconfigured', 2],
      ['gone', 'upstream_misconfigured', 1],
    ]);
    expect(read.lostOutcomes).toMatchObject([{ integration: 'byzantine', step: 'verify-otp', count: 1 }]);
    expect(read.endedUnresolved).toMatchObject({ count: 1, counted: 'exactly' });
    expect(read.integrations.map(({ name }) => name).sort()).toEqual(['byzantine', 'gone']);
    expect(kinds(read)).toEqual([
      'serious parked',
      'serious lost_outcomes',
      'serious parked',
      'notice ended_unresolved',
    ]);
    expect(read.waiting).toEqual([]);
  });

  it('shows that a retry is overdue, and that no worker reports', async () => {
    await reports().withdraw('worker-1');
    await waiting({ next_attempt_at: inMs(-60_000) });
    const read = await now();
    expect(kinds(read)).toEqual(['critical processes', 'serious waiting']);
    expect(read.problems[1]!.text).toContain('overdue');
  });

  it('does not show the short wait of one onboarding as a problem', async () => {
    await waiting({ last_result: { ...LAST, at: new Date().toISOString() } });
    const read = await now();
    expect(read.problems).toEqual([]);
    expect(read.waiting).toHaveLength(1);
  });

  it('shows a pause, and when the parked onboardings continue', async () => {
    await database.query(
      `INSERT INTO integration_pauses (integration, actor, reason) VALUES ('byzantine', 'ops', 'a storm')`,
    );
    try {
      await waiting({ next_attempt_at: null, parked_reason: 'integration_paused', parked_at: inMs(-1_000) });
      const read = await now();
      expect(kinds(read)).toEqual(['serious integration', 'serious parked']);
      expect(read.problems[0]!.text).toMatch(/^byzantine: paused by an operator since /);
      expect(read.problems[1]!.text).toMatch(/They go on once an operator resumes the integration\.$/);
    } finally {
      await database.query('DELETE FROM integration_pauses');
    }
  });

  it('stops counting at a thousand, and shows the count as "at least"', async () => {
    await copies(1_000, await waiting());
    const read = await now();
    expect(read.waiting).toMatchObject([{ count: 1_000, counted: 'at_least' }]);
    expect(read.integrations[0]!.affected.waiting).toEqual({ count: 1_000, counted: 'at_least' });
  });

  it('counts waiting onboardings even if many older ones are parked or in flight', async () => {
    const older = { id: '01900000-0000-7000-8000-000000000000', integration: 'turnkey' };
    await copies(600, await waiting({ ...older, ...PARKED }));
    await copies(
      600,
      await waiting({ integration: 'turnkey', next_attempt_at: null, lease_until: inMs(9_000) }),
    );
    await copies(5, await waiting({ integration: 'turnkey' }));
    const read = await now();
    expect(read.waiting).toMatchObject([{ integration: 'turnkey', count: 6, counted: 'exactly' }]);
    const { affected } = read.integrations.find(({ name }) => name === 'turnkey')!;
    expect(affected.waiting).toEqual({ count: 6, counted: 'exactly' });
    expect(kinds(read)).toContain('notice waiting');
  });

  it('counts all waiting onboardings, even if their last results have many different codes', async () => {
    for (let n = 0; n < 60; n++) await waiting({ last_result: { ...LAST, code: `code-${n}` } });
    const read = await now();
    expect(read.waiting).toHaveLength(60);
    expect(read.integrations[0]!.affected.waiting).toEqual({ count: 60, counted: 'exactly' });
  });

  it('shows the jobs that wait in a paused queue', async () => {
    const queue = views.get(Queues).get('steps');
    await queue.pause();
    await queue.add('of-a-test', {}, { timestamp: Date.now() - 30_000 });
    await queue.add('of-a-test', {}, { delay: 60_000 });
    try {
      const read = await until('it is seen', async () => {
        const seen = await now();
        return seen.queues.queues.some(({ paused, delayed }) => paused && delayed === 1) && seen;
      });
      const steps = read.queues.queues.find(({ name }) => name === 'steps');
      expect(steps).toMatchObject({ status: 'down', paused: true, waiting: 1, delayed: 1, active: 0 });
      expect(steps!.lagMs).toBeGreaterThan(29_000);
      expect(kinds(read)).toEqual(['serious queue']);
    } finally {
      await queue.obliterate({ force: true });
    }
  });

  it('shows an outage of Redis', async () => {
    const without = await openViews({ REDIS_URL: 'redis://127.0.0.1:1' });
    try {
      const read = await now(without);
      expect(read.queues).toMatchObject({ redis: { status: 'down' }, queues: [] });
      expect(kinds(read)).toEqual(['serious redis']);
    } finally {
      await without.close();
    }
  });
});
