import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PreparedStatements } from '#libs/database';
import { Metrics } from '#libs/platform';
import { anOnboarding, inMs, until } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { openViews } from '../fixtures/open-views.js';
import { OnboardingCounter } from './onboarding-counter.js';
import { OnboardingCounts } from './onboarding-counts.js';

let onboardings: Onboardings;
let counter: OnboardingCounter;
let counts: OnboardingCounts;
beforeAll(async () => {
  // The hook would start a timer, but the tests decide when to count.
  jest.spyOn(OnboardingCounts.prototype, 'onApplicationBootstrap').mockReturnValue();
  onboardings = await openOnboardings();
  counter = onboardings.module.get(OnboardingCounter);
  counts = onboardings.module.get(OnboardingCounts);
});
afterAll(() => onboardings.close());
beforeEach(() =>
  sql('DELETE FROM onboardings; DELETE FROM onboarding_counts; DELETE FROM integration_pauses'),
);
afterEach(() => {
  jest.restoreAllMocks();
});

const sql = (text: string, values?: unknown[]) => onboardings.dataSource.query(text, values);
const insert = (columns: Record<string, unknown>) => anOnboarding(onboardings.dataSource, columns);
const never = new AbortController().signal;
const ago = (s: number) => inMs(-s * 1_000);

async function counted(): Promise<void> {
  await counter.count('steps', never);
  await counter.count('idle', never);
  await counts.refresh();
}

/** @returns a metric's values by labels, without quotes and without `integration="byzantine"`. */
async function shown(name: string): Promise<Record<string, number>> {
  const text = await onboardings.module.get(Metrics).registry.getSingleMetricAsString(name);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => {
      const [, labels = '', value] = /^\w+(?:\{(.*)\})? (\S+)$/.exec(line)!;
      return [labels.replaceAll(/integration="byzantine",?|"/g, ''), Number(value)];
    }),
  );
}

const retrying = { state: 'otp_submitted', step: 'verify-otp', next_attempt_at: inMs(60_000) };
const parked = { state: 'otp_requested', step: 'init-otp', parked_reason: 'integration_missing' };

describe('the counts of onboardings', () => {
  it('show live onboardings by state, and the age of the oldest in each state', async () => {
    await insert({ state: 'otp_sent', created_at: ago(100) });
    await insert({ state: 'otp_sent', created_at: ago(10) });
    await insert({ state: 'otp_submitted', step: 'verify-otp', lease_until: inMs(5_000) });
    await insert({ state: 'completed' });
    await counted();
    expect(await shown('gangway_onboardings')).toEqual({ 'state=otp_sent': 2, 'state=otp_submitted': 1 });
    const { 'state=otp_sent': oldest } = await shown('gangway_onboardings_oldest_seconds');
    expect(oldest).toBeGreaterThanOrEqual(100);
    expect(oldest).toBeLessThan(110);
  });

  it('show the steps that wait for a retry, without steps that run or are parked', async () => {
    const since = {
      last_result: { code: 'upstream_unavailable', at: new Date(Date.now() - 30_000).toISOString() },
    };
    await insert({ ...retrying, ...since });
    await insert({ ...retrying, lease_until: inMs(5_000) });
    await insert({ ...retrying, parked_reason: 'integration_missing', parked_at: ago(1) });
    await counted();
    expect(await shown('gangway_onboardings_retrying')).toEqual({ 'step=verify-otp': 1 });
    const { 'step=verify-otp': oldest } = await shown('gangway_onboardings_retrying_oldest_seconds');
    expect(oldest).toBeGreaterThanOrEqual(30);
    expect(oldest).toBeLessThan(40);
  });

  it('show parked onboardings by reason, and onboardings with an unknown outcome by step', async () => {
    await insert({ ...parked, parked_at: ago(50) });
    await insert({ ...parked, parked_at: ago(5) });
    await insert({ ...parked, parked_reason: 'upstream_misconfigured', parked_at: ago(5) });
    await insert({ state: 'outcome_unknown', step: 'verify-otp', updated_at: ago(20) });
    await counted();
    expect(await shown('gangway_onboardings_parked')).toEqual({
      'reason=integration_missing': 2,
      'reason=upstream_misconfigured': 1,
    });
    const parkedFor = await shown('gangway_onboardings_parked_oldest_seconds');
    expect(Math.floor(parkedFor['reason=integration_missing']! / 10)).toBe(5);
    expect(await shown('gangway_onboardings_outcome_unknown')).toEqual({ 'step=verify-otp': 1 });
    const lostFor = await shown('gangway_onboardings_outcome_unknown_oldest_seconds');
    expect(Math.floor(lostFor['step=verify-otp']! / 10)).toBe(2);
  });

  it('show how late the expiry is; 0 if it is in time', async () => {
    await insert({ state: 'otp_sent', otp_expires_at: inMs(60_000), due_at: inMs(60_000) });
    await counted();
    expect(await shown('gangway_expiry_lag_seconds')).toEqual({ '': 0 });
    await sql(`UPDATE onboardings SET otp_expires_at = clock_timestamp() - interval '40 seconds',
      due_at = clock_timestamp() - interval '40 seconds'; DELETE FROM onboarding_counts`);
    await counted();
    expect(Math.floor((await shown('gangway_expiry_lag_seconds'))['']! / 10)).toBe(4);
  });

  it('show how late the retries are, without those of a paused integration', async () => {
    await insert({ ...retrying, next_attempt_at: inMs(60_000) });
    await counted();
    expect(await shown('gangway_retry_lag_seconds')).toEqual({ '': 0 });
    await insert({ ...retrying, next_attempt_at: ago(40) });
    await sql('DELETE FROM onboarding_counts');
    await counted();
    expect(Math.floor((await shown('gangway_retry_lag_seconds'))['']! / 10)).toBe(4);
    await sql(`INSERT INTO integration_pauses (integration, actor, reason) VALUES ('byzantine', 'a', 'b');
      DELETE FROM onboarding_counts`);
    await counted();
    expect(await shown('gangway_retry_lag_seconds')).toEqual({ '': 0 });
  });

  it('are exact for more rows than one statement reads', async () => {
    await insert({ state: 'otp_sent', integration: 'another' });
    const id = await insert({ state: 'otp_sent' });
    await sql(
      `INSERT INTO onboardings (id, integration, provider, subject, subject_key, state, life_ends_at,
        idle_ends_at, due_at)
      SELECT gen_random_uuid(), CASE n % 3 WHEN 0 THEN 'third' ELSE integration END, provider, subject,
        subject_key || n, CASE n % 4 WHEN 0 THEN 'otp_needed' ELSE state END, life_ends_at, idle_ends_at,
        due_at
      FROM onboardings, generate_series(1, 14000) n WHERE id = $1`,
      [id],
    );
    await counted();
    const rows = await sql(
      'SELECT integration, state, count(*)::int AS count FROM onboardings GROUP BY 1, 2',
    );
    const labels = (integration: string) =>
      integration === 'byzantine' ? '' : `integration=${integration},`;
    expect(await shown('gangway_onboardings')).toEqual(
      Object.fromEntries(
        (rows as { integration: string; state: string; count: number }[]).map((row) => [
          `${labels(row.integration)}state=${row.state}`,
          row.count,
        ]),
      ),
    );
  });

  it('are missing before the first count; when they are old, only their age is shown', async () => {
    await insert({ state: 'otp_sent' });
    await counts.refresh();
    expect(await shown('gangway_onboardings')).toEqual({});
    expect(await shown('gangway_onboardings_counted_age_seconds')).toEqual({});
    await sql('DELETE FROM onboarding_counts');
    await counted();
    expect(await shown('gangway_onboardings')).toEqual({ 'state=otp_sent': 1 });
    expect((await shown('gangway_onboardings_counted_age_seconds'))['']).toBeLessThan(30);
    await sql(`UPDATE onboarding_counts SET counted_at = counted_at - interval '90 seconds',
      next_at = next_at + interval '1 minute'`);
    await counts.refresh();
    for (const name of ['gangway_onboardings', 'gangway_retry_lag_seconds', 'gangway_expiry_lag_seconds'])
      expect(await shown(name)).toEqual({});
    expect((await shown('gangway_onboardings_counted_age_seconds'))['']).toBeGreaterThan(89);
  });
});

describe('a count that takes longer than the last one', () => {
  /** Begins a count that does not end. Each of its statements seems to take `tookMs`. */
  async function beginRound(tookMs: number): Promise<void> {
    const { run } = PreparedStatements.prototype;
    let slices = 0;
    jest.spyOn(PreparedStatements.prototype, 'run').mockImplementation(async function (
      this: PreparedStatements,
      ...args
    ) {
      const rows = await run.apply(this, args);
      if (args[0].name !== 'gw_count_slice') return rows as never;
      slices += 1;
      return rows.map((row) => {
        const of = row as unknown as { group: object };
        return { ...of, tookMs, group: { ...of.group, count: 5_000 } };
      }) as never;
    });
    const stop = new AbortController();
    ending.push(async () => {
      stop.abort();
      await round;
    });
    const round = counter.count('steps', stop.signal);
    await until('it has read a slice', () => slices > 0);
  }
  const ending: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const end of ending.splice(0)) await end();
  });

  it('lets the older counts stay visible until it ends', async () => {
    await insert({ ...retrying });
    await counted();
    await sql(`UPDATE onboarding_counts SET next_at = clock_timestamp() + interval '1 minute',
      counted_at = counted_at - interval '70 seconds'`);
    await counts.refresh();
    expect(await shown('gangway_onboardings_retrying')).toEqual({});
    // Overdue by a minute, so that the count stays due even if the machine's clock is set back.
    await sql(`UPDATE onboarding_counts SET next_at = clock_timestamp() - interval '1 minute'`);
    await beginRound(500);
    await until('the counts are shown', async () => {
      await counts.refresh();
      return (await shown('gangway_onboardings_retrying'))['step=verify-otp'] === 1;
    });
    expect((await shown('gangway_onboardings_count_duration_seconds'))['']).toBeGreaterThanOrEqual(0.5);
  });
});

describe('a count of the onboardings', () => {
  it('is made by one process for all processes, every few seconds', async () => {
    await insert({ state: 'otp_sent' });
    const at = async () => (await sql('SELECT counted_at FROM onboarding_counts'))[0].counted_at as Date;
    await counter.count('idle', never);
    const first = await at();
    await counter.count('idle', never);
    expect(await at()).toEqual(first);
    await sql(`UPDATE onboarding_counts SET next_at = clock_timestamp() - interval '1 minute'`);
    await counter.count('idle', never);
    expect(await at()).not.toEqual(first);
  });

  it('is made by another process only after the counting process has been silent for some time', async () => {
    await sql(`INSERT INTO onboarding_counts (part, process, next_at)
      VALUES ('idle', 'worker-a', clock_timestamp() + interval '1 minute')`);
    await counter.count('idle', never);
    expect(await sql('SELECT counted_at FROM onboarding_counts')).toEqual([{ counted_at: null }]);
    await sql(`UPDATE onboarding_counts SET next_at = clock_timestamp() - interval '1 minute'`);
    await counter.count('idle', never);
    expect(await sql('SELECT process FROM onboarding_counts WHERE counted_at IS NOT NULL')).toEqual([
      { process: null },
    ]);
  });

  it('that fails lets another process count within three seconds', async () => {
    const { run } = PreparedStatements.prototype;
    jest.spyOn(PreparedStatements.prototype, 'run').mockImplementation(function (
      this: PreparedStatements,
      ...args
    ) {
      if (args[0].name === 'gw_count_slice') return Promise.reject(new Error('no slice'));
      return run.apply(this, args) as never;
    });
    await expect(counter.count('idle', never)).rejects.toThrow('no slice');
    const [row] = await sql(`SELECT process, next_at <= clock_timestamp() + interval '3 s' AS soon
      FROM onboarding_counts`);
    expect(row).toEqual({ process: null, soon: true });
  });

  it('is followed by a pause of fifty times its duration', async () => {
    await insert({ state: 'otp_sent' });
    const { run } = PreparedStatements.prototype;
    jest.spyOn(PreparedStatements.prototype, 'run').mockImplementation(async function (
      this: PreparedStatements,
      ...args
    ) {
      const rows = await run.apply(this, args);
      return (
        args[0].name === 'gw_count_slice' ? rows.map((row) => ({ ...row!, tookMs: 200 })) : rows
      ) as never;
    });
    await counter.count('idle', never);
    const [row] = await sql(`SELECT took_ms AS took,
      extract(epoch FROM next_at - counted_at)::float8 AS rest FROM onboarding_counts`);
    expect(row.took).toBe(200);
    expect(row.rest).toBeCloseTo(10, 1);
  });

  it('is also shown by the console', async () => {
    await insert({ state: 'otp_sent' });
    await counter.count('idle', never);
    const views = await openViews();
    try {
      await views.get(OnboardingCounts).refresh();
      const text = await views.get(Metrics).registry.getSingleMetricAsString('gangway_onboardings');
      expect(text).toMatch(/\{integration="byzantine",state="otp_sent"\} 1$/m);
    } finally {
      await views.close();
    }
  });
});

describe('the timer that refreshes the counts', () => {
  it('forgets the failure of a count after another process has counted', async () => {
    jest.spyOn(counter, 'count').mockRejectedValue(new Error('away'));
    await counts.refresh();
    await until('the fault is known', () => counts.fault?.message === 'away');
    jest.restoreAllMocks();
    await counted();
    expect(counts.fault).toBeNull();
  });

  it('counts the parts that are due, and forgets the failure of a count after a success', async () => {
    await insert({ state: 'otp_sent' });
    const slice = jest.spyOn(counter, 'count').mockRejectedValueOnce(new Error('away'));
    await counts.refresh();
    await until('the fault is known', () => counts.fault?.message === 'away');
    slice.mockRestore();
    await counts.refresh();
    await until('it is over', () => counts.fault === null);
    await until('it is counted', async () => {
      await counts.refresh();
      return (await shown('gangway_onboardings'))['state=otp_sent'] === 1;
    });
  });
});
