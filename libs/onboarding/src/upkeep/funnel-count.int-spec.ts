import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { uuidV7 } from '#libs/kernel';
import { aCaller, anOnboarding } from '#libs/testing';
import { OnboardingService } from '../commands/onboarding.service.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { openViews } from '../fixtures/open-views.js';
import { FunnelView } from '../views/funnel-view.js';
import { FunnelCount } from './funnel-count.js';

const DAY_MS = 86_400_000;
const TODAY_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS;
const nameOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);
// Days before yesterday: the counts of yesterday are not final for some minutes after midnight.
const [OLD, BEFORE] = [TODAY_MS - 2 * DAY_MS, TODAY_MS - 3 * DAY_MS];

let onboardings: Onboardings;
let views: TestingModule;
beforeAll(async () => {
  // With this interval, each run is due immediately.
  onboardings = await openOnboardings([], { FUNNEL_EVERY_MS: '1' });
  views = await openViews();
});
afterAll(() => Promise.all([onboardings.close(), views.close()]));
beforeEach(() =>
  onboardings.dataSource.query('TRUNCATE onboardings, onboarding_events, funnel_days, funnel_counts'),
);

/** The time of an event is in milliseconds after the start. */
async function began(
  atMs: number,
  events: [type: string, afterMs: number, data?: object][],
  columns: Record<string, unknown> = {},
): Promise<string> {
  const id = uuidV7(atMs);
  await anOnboarding(onboardings.dataSource, { id, ...columns, last_seq: events.length + 1 });
  const all = [['created', 0] as const, ...events];
  for (const [index, [type, afterMs, data = {}]] of all.entries()) {
    await onboardings.dataSource.query(
      `INSERT INTO onboarding_events (onboarding_id, seq, type, at, actor, data)
       VALUES ($1, $2, $3, $4, 'service', $5)`,
      [id, index + 1, type, new Date(atMs + afterMs), data],
    );
  }
  return id;
}

const completed = (atMs: number, more: Record<string, unknown> = {}) =>
  began(
    atMs,
    [
      ['otp_sent', 400],
      ['otp_verified', 30_000],
      ['authenticators_created', 50_000],
    ],
    { state: 'completed', ...more },
  );
const failure = { step: 'verify-otp', code: 'otp_locked', detail: 'Too many.', at: '', upstreamStatus: 403 };
const failed = (atMs: number) =>
  began(
    atMs,
    [
      ['otp_sent', 600],
      ['step_failed', 20_000],
    ],
    { state: 'failed', failure },
  );

const count = async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  // The pause before the next count depends on this duration.
  await onboardings.dataSource.query('UPDATE funnel_counts SET took_ms = 0');
  return onboardings.module.get(FunnelCount).run();
};
const funnel = (from = BEFORE, integration?: string) =>
  views.get(FunnelView).read({ from: nameOf(from), to: nameOf(TODAY_MS), integration });

describe('the funnel (how many onboardings reach each stage)', () => {
  it('has the stages, endings and median times of each day and integration', async () => {
    await completed(OLD);
    await completed(OLD + 3_600_000, { integration: 'turnkey' });
    await failed(OLD + DAY_MS - 1);
    await began(TODAY_MS, [['otp_sent', 350]]);
    await began(TODAY_MS, [], {
      state: 'expired',
      last_result: { ...failure, code: 'upstream_unavailable' },
    });
    expect(await count()).toEqual({ days: 3, onboardings: 5 });
    const read = await funnel();
    expect(read.total).toMatchObject({ started: 5, codeSent: 4, verified: 2, registered: 2, live: 1 });
    expect(read.total.endings).toEqual([
      { state: 'completed', code: null, count: 2 },
      { state: 'failed', code: 'otp_locked', count: 1 },
      { state: 'expired', code: 'upstream_unavailable', count: 1 },
    ]);
    expect(read.total.medianMs).toEqual({
      // The values 400, 400 and 350 are in the bucket from 300 to 500, and 600 is in the next bucket.
      startedToCodeSent: 433,
      codeSentToVerified: 25_000,
      verifiedToRegistered: 25_000,
      startedToRegistered: 52_500,
    });
    expect(read.days.map(({ day, started, isFinal }) => [day, started, isFinal])).toEqual([
      [nameOf(BEFORE), 0, false],
      [nameOf(OLD), 3, true],
      [nameOf(OLD + DAY_MS), 0, expect.any(Boolean)],
      [nameOf(TODAY_MS), 2, false],
    ]);
    expect(read.integrations.map(({ integration, started }) => [integration, started])).toEqual([
      ['byzantine', 4],
      ['turnkey', 1],
    ]);
    expect((await funnel(BEFORE, 'turnkey')).total).toMatchObject({ started: 1, registered: 1 });
  });

  it('counts a day again while one of its onboardings is live, and never after that', async () => {
    const id = await began(OLD, [['otp_sent', 400]]);
    expect(await count()).toEqual({ days: 3, onboardings: 1 });
    expect((await funnel()).days[1]).toMatchObject({ started: 1, live: 1, isFinal: false });
    await onboardings.dataSource.query(`UPDATE onboardings SET state = 'expired' WHERE id = $1`, [id]);
    await count();
    const final = {
      started: 1,
      live: 0,
      isFinal: true,
      endings: [{ state: 'expired', code: null, count: 1 }],
    };
    expect((await funnel()).days[1]).toMatchObject(final);
    await onboardings.dataSource.query('DELETE FROM onboardings');
    await completed(TODAY_MS);
    expect(await count()).toEqual({ days: 1, onboardings: 1 });
    expect((await funnel()).days[1]).toMatchObject(final);
  });

  it('has the same figures after another count, even if an onboarding was erased meanwhile', async () => {
    const id = await completed(TODAY_MS);
    await failed(TODAY_MS);
    await count();
    const before = (await funnel()).total;
    await onboardings.module.get(OnboardingService).erase(id, { caller: aCaller(), waitMs: 0 });
    await count();
    expect((await funnel()).total).toEqual(before);
  });

  it('counts stages reached by a late answer or decision, but measures no time to a decision', async () => {
    await began(
      TODAY_MS,
      [
        ['otp_sent', 400],
        ['late_answer', 9_000, { answer: 'otp_verified' }],
        ['resolved_done', 60_000],
      ],
      { state: 'completed' },
    );
    await count();
    const { total } = await funnel();
    expect(total).toMatchObject({ codeSent: 1, verified: 1, registered: 1 });
    expect(total.medianMs).toMatchObject({ codeSentToVerified: 8_500, verifiedToRegistered: null });
  });

  it('is counted in batches, and leaves out an integration without onboardings', async () => {
    await completed(TODAY_MS, { integration: 'gone' });
    await count();
    await onboardings.dataSource.query('DELETE FROM onboardings');
    await onboardings.dataSource.query(`INSERT INTO onboardings
      (id, integration, provider, subject, subject_key, state, idle_ends_at, life_ends_at)
      SELECT (left('${uuidV7(TODAY_MS)}', 24) || lpad(to_hex(n), 12, '0'))::uuid, 'byzantine',
        'byzantine', '{}', 'k', 'otp_sent', clock_timestamp(), clock_timestamp()
      FROM generate_series(1, 12000) n`);
    expect(await count()).toEqual({ days: 1, onboardings: 12_000 });
    const { total, integrations } = await funnel();
    expect(total).toMatchObject({ started: 12_000, live: 12_000 });
    expect(integrations).toHaveLength(1);
  });

  it('is counted at longer intervals if the counts of more days are not final', async () => {
    await began(OLD, [['otp_sent', 400]]);
    await began(TODAY_MS, [['otp_sent', 400]]);
    await count();
    const age = (seconds: number) =>
      onboardings.dataSource.query(
        `UPDATE funnel_counts SET took_ms = 1000, counted_at = clock_timestamp() - $1 * interval '1 second'`,
        [seconds],
      );
    // The pause is 50 s for each day whose counts are not final. There are two such days, or three for some
    // minutes after midnight.
    await age(90);
    expect(await onboardings.module.get(FunnelCount).run()).toEqual({ days: 0, onboardings: 0 });
    await age(160);
    expect(await onboardings.module.get(FunnelCount).run()).toMatchObject({ onboardings: 2 });
  });

  it('is counted again only after a pause if the last count took long', async () => {
    await completed(TODAY_MS);
    await count();
    await onboardings.dataSource.query('UPDATE funnel_counts SET took_ms = 10000');
    expect(await onboardings.module.get(FunnelCount).run()).toEqual({ days: 0, onboardings: 0 });
  });

  it.each([
    [{ from: '2026-13-01', to: '2026-12-01' }],
    [{ from: '2026-11-02', to: '2026-11-01' }],
    [{ from: '2020-01-01', to: '2026-11-01' }],
  ])('refuses to show the days %p', async (days) => {
    await expect(views.get(FunnelView).read(days)).rejects.toMatchObject({ code: 'validation_failed' });
  });
});
