import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { Client } from 'pg';
import { PreparedStatements } from '#libs/database';
import { QueueWatch, Queues } from '#libs/jobs';
import { CLOCK, lowestUuidV7, type Clock } from '#libs/kernel';
import { NowView } from '#libs/onboarding';
import { CONFIG, Health, Metrics, type Config } from '#libs/platform';
import { testDatabaseUrl, until } from '#libs/testing';
import { sessionSettings } from '../../libs/database/src/session-settings.js';
import { openViews } from '../../libs/onboarding/src/fixtures/open-views.js';
import { IntegrationReports } from '../../libs/onboarding/src/integrations/integration-reports.js';
import { FunnelCount } from '../../libs/onboarding/src/upkeep/funnel-count.js';
import { ConsoleBrowser } from '../support/console-browser.js';
import { Story } from '../support/story.js';

jest.setTimeout(1_200_000);

const ROWS = 1_000_000;
const DAYS = 10;
/** A page shows at most one timeline, so a few days with events are enough. */
const DAYS_WITH_EVENTS = 3;
const JOBS = 100_000;
const RUNS = 200;
const ROUNDS = 3;
/** The 99th percentile of a page's time, on two CPU cores. */
const MOST_MS = 150;
/** The 99th percentile of the time of `/metrics`, while the onboardings are counted. */
const MOST_SCRAPE_MS = 100;

const DAY_MS = 86_400_000;
const FIRST_MS = (Math.floor(Date.now() / DAY_MS) - DAYS + 1) * DAY_MS;

/**
 * As after a long outage: 91% have ended, some with an unresolved attempt, 30 000 wait for a retry, 20 000
 * are parked, 10 000 have an unknown outcome, and 30 000 wait for the user.
 */
const FILL = `
  INSERT INTO onboardings (id, created_at, caller, integration, provider, subject, subject_key, external_ref,
    state, step, attempt, otp_handle, otp_expires_at, session_ends_at, idle_ends_at, life_ends_at,
    next_attempt_at, parked_reason, parked_at, due_at, last_result, unresolved, last_seq)
  SELECT (lpad(to_hex(ms), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
    to_timestamp(ms / 1000.0), 'caller-' || n % 7,
    CASE WHEN n / 100 % 10 < 7 THEN 'byzantine' WHEN n / 100 % 10 < 9 THEN 'turnkey' ELSE 'auth-proxy' END,
    'byzantine',
    jsonb_build_object('accountId', 'account-' || n / 50, 'userId', md5(n::text)::uuid),
    'blind:' || md5(n::text), 'ref-' || n, state,
    CASE state WHEN 'otp_submitted' THEN 'verify-otp' WHEN 'authenticators_submitted' THEN
      'create-authenticators' WHEN 'outcome_unknown' THEN 'create-authenticators' END,
    3, md5('otp' || n)::uuid::text, t + interval '1 day', t + interval '1 day', t + interval '1 day',
    t + interval '1 day', CASE WHEN k BETWEEN 1 AND 3 THEN t + interval '1 hour' END,
    CASE WHEN k BETWEEN 4 AND 5 THEN 'upstream_misconfigured' END, CASE WHEN k BETWEEN 4 AND 5 THEN t END,
    CASE WHEN k > 9 THEN NULL WHEN k <= 3 THEN t + interval '1 hour' ELSE t + interval '1 day' END,
    CASE WHEN k <> 9 THEN jsonb_build_object('step', 'verify-otp', 'code', 'upstream_unavailable', 'detail',
      'The provider could not be reached or failed (unavailable); the service tries again.',
      'at', to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) END,
    CASE WHEN k BETWEEN 10 AND 11 THEN
      '[{"step": "verify-otp", "attempt": 3, "at": "2026-11-20T10:00:00.000Z"}]'::jsonb ELSE '[]' END,
    8
  FROM generate_series(0, ${ROWS - 1}) n, LATERAL (SELECT n % 100 AS k) a,
    LATERAL (SELECT ${FIRST_MS} + n * ${(DAYS * DAY_MS) / ROWS}::float8::bigint AS ms, CASE
      WHEN k = 1 THEN 'otp_submitted' WHEN k BETWEEN 2 AND 5 THEN 'authenticators_submitted'
      WHEN k = 6 THEN 'outcome_unknown' WHEN k BETWEEN 7 AND 9 THEN 'otp_sent'
      WHEN k < 30 THEN 'failed' WHEN k < 40 THEN 'expired' ELSE 'completed' END AS state) b,
    clock_timestamp() t`;

const EVENTS = `
  INSERT INTO onboarding_events (onboarding_id, seq, type, at, actor, data)
  SELECT o.id, seq, type, o.created_at + seq * interval '3 s', 'service', data::jsonb
  FROM onboardings o, (VALUES (1, 'created', '{}'),
    (2, 'attempt_started', '{"attempt": 1, "step": "init-otp", "fingerprint": null}'), (3, 'otp_sent', '{}'),
    (4, 'otp_submitted', '{}'),
    (5, 'attempt_ended', '{"step": "verify-otp", "attempt": 2, "class": "ok", "upstreamStatus": 200,
      "durationMs": 80}'),
    (6, 'otp_verified', '{}'), (7, 'authenticators_submitted', '{"authenticators": 1}'),
    (8, 'authenticators_created', '{}')) AS e (seq, type, data)
  WHERE o.id >= $1 AND o.id < $2`;

let story: Story;
let browser: ConsoleBrowser;
let views: TestingModule;
let client: Client;
const told: string[] = [];
const tell = (line: string) => told.push(line);

beforeAll(async () => {
  views = await openViews();
  await until('Redis is there', () => views.get(Queues).isReady());
  client = new Client({ connectionString: await testDatabaseUrl() });
  await client.connect();
  await client.query(sessionSettings(0));
  await client.query(FILL);
  for (let day = DAYS - DAYS_WITH_EVENTS; day < DAYS; day++) {
    const [from, to] = [day, day + 1].map((n) => lowestUuidV7(FIRST_MS + n * DAY_MS));
    await client.query(EVENTS, [from, to]);
  }
  await client.query('VACUUM (ANALYZE) onboardings, onboarding_events');
  story = await Story.begin({ service: false, worker: false, console: true });
  browser = await ConsoleBrowser.as('admin', story);
});
afterAll(async () => {
  process.stdout.write(`${told.join('\n')}\n`);
  await story.end();
  await client.query(
    'TRUNCATE onboardings, onboarding_events, funnel_days, funnel_counts, integration_pauses',
  );
  await Promise.all([client.end(), views.close()]);
});

async function percentilesOf(call: (run: number) => Promise<unknown>): Promise<[p50: number, p99: number]> {
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const began = performance.now();
    await call(run);
    times.push(performance.now() - began);
  }
  times.sort((one, other) => one - other);
  return [times[RUNS / 2]!, times[Math.floor(RUNS * 0.99)]!];
}

/** Measures slow calls again, because other tests may have kept the machine busy. */
async function expectQuick(
  name: string,
  call: (run: number) => Promise<unknown>,
  mostMs = MOST_MS,
): Promise<void> {
  let [p50, p99] = await percentilesOf(call);
  for (let round = 1; round < ROUNDS && p99 >= mostMs; round++) [p50, p99] = await percentilesOf(call);
  tell(`${name}: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`);
  expect(p99).toBeLessThan(mostMs);
}

const idOf = (n: number) =>
  lowestUuidV7(FIRST_MS + n * ((DAYS * DAY_MS) / ROWS)).replace(/0{12}$/, n.toString(16).padStart(12, '0'));
const someRow = (run: number) => (run * 4_987) % ROWS;
const nameOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/** With a new view for each read, because a view caches its answer for a second. */
const readNow = () =>
  new NowView(
    views.get(PreparedStatements),
    views.get(IntegrationReports),
    views.get(QueueWatch),
    views.get<Config>(CONFIG),
    views.get<Clock>(CLOCK),
  ).read();

describe('the funnel of a million onboardings', () => {
  it('is counted day by day', async () => {
    const count = new FunnelCount(
      views.get(PreparedStatements),
      { FUNNEL_EVERY_MS: 60_000 },
      views.get<Clock>(CLOCK),
    );
    const began = performance.now();
    let onboardings = 0;
    for (let counted = 1; counted > 0;) {
      ({ onboardings: counted } = await count.run());
      onboardings += counted;
    }
    tell(`funnel: counted ${onboardings} in ${Math.round(performance.now() - began)} ms`);
    expect(onboardings).toBe(ROWS);
    const { rows } = await client.query<{ day: string; took: number }>(
      'SELECT day::text, took_ms AS took FROM funnel_counts ORDER BY day',
    );
    for (const { day, took } of rows) tell(`funnel: ${day} took ${Math.round(took)} ms`);
    // The service seems to have run for more than a year.
    await client.query(`INSERT INTO funnel_days
      SELECT day - n * 10, integration, started, code_sent, verified, registered, live, endings, times
      FROM funnel_days, generate_series(1, 39) n`);
  });
});

describe('with a million onboardings', () => {
  const day = (ago: number) => nameOf(Date.now() - ago * DAY_MS);
  const PAGES: [name: string, path: (run: number) => string][] = [
    ['funnel of 30 days', () => `/funnel?from=${day(29)}`],
    ['funnel of 366 days', () => `/funnel?from=${day(365)}`],
    ['search by id', (run) => `/onboardings?q=${idOf(someRow(run))}`],
    ['search by externalRef', (run) => `/onboardings?q=ref-${someRow(run)}`],
    ['search by otpId', (run) => `/onboardings?q=00000000-0000-4000-8000-${String(run).padStart(12, '0')}`],
    ['search by contact', (run) => `/onboardings?q=unknown-${run}@example.com`],
    ['list', () => '/onboardings'],
    ['list of three states', () => '/onboardings?state=outcome_unknown&state=otp_sent&state=failed'],
    ['list of all live states at an integration', () => '/onboardings?live=true&integration=turnkey'],
    ['list of parked', () => '/onboardings?parked=true'],
    ['list of ended with an unresolved attempt', () => '/onboardings?unresolved=true'],
    ['a page in the middle', (run) => `/onboardings?state=completed&after=${idOf(someRow(run))}`],
    ['one onboarding', (run) => `/onboardings/${idOf(someRow(run))}`],
    ['operations', () => '/operations'],
    ['dry run of all live ones', () => '/operations/new?live=true&action=cancel'],
    ['dry run of all failed ones', () => '/operations/new?state=failed&integration=byzantine&action=erase'],
    ['list of waiting ones', () => '/onboardings?waiting=true&integration=turnkey&step=verify-otp'],
    ['list of a reason without a row', () => '/onboardings?parked=true&parkedReason=integration_missing'],
    ['list of lost ones by step', () => '/onboardings?state=outcome_unknown&step=verify-otp'],
    ['audit', () => '/audit'],
    ['the first page', () => '/'],
  ];

  it.each(PAGES)('the console shows this page quickly: %s', async (name, path) => {
    const visit = async (run: number) => expect((await browser.visit(path(run))).status).toBe(200);
    await visit(0);
    await expectQuick(name, visit);
  });

  it('the console quickly reads the list of current problems', async () => {
    await readNow();
    await expectQuick('now, without the answer of the last second', readNow);
  });
});

describe('with a hundred thousand jobs', () => {
  it('the console quickly reads the state of the queues', async () => {
    const queue = views.get(Queues).get('steps');
    await queue.pause();
    for (let added = 0; added < JOBS; added += 1_000) {
      await queue.addBulk(
        Array.from({ length: 1_000 }, (_, n) => ({
          name: 'a',
          data: {},
          opts: n % 2 ? { delay: 600_000 } : {},
        })),
      );
    }
    // A watch caches its answer for a second.
    await expectQuick('queues', async () => {
      const read = await new QueueWatch(views.get(Queues), new Health(), new Metrics()).read();
      expect(read.queues.find(({ name }) => name === 'steps')).toMatchObject({ waiting: JOBS / 2 });
    });
    await expectQuick('the first page, with the queues', async () =>
      expect((await browser.visit('/')).status).toBe(200),
    );
    await queue.obliterate({ force: true, count: 10_000 });
  });
});

describe('while a million onboardings are counted', () => {
  it('a scrape of the metrics of each process is quick', async () => {
    // No calls, because the parked onboardings have no secrets for them.
    await client.query(`INSERT INTO integration_pauses (integration, actor, reason)
      SELECT name, 'test', 'no calls' FROM unnest(ARRAY['byzantine', 'turnkey', 'auth-proxy']) AS name`);
    const roles = ['onboarding', 'worker', 'console'] as const;
    const processes = await Promise.all(roles.map((role) => story.startProcess(role)));
    await client.query('DELETE FROM onboarding_counts');
    const scraped = async (url: string) => {
      const answer = await fetch(`${url}/metrics`);
      expect(answer.status).toBe(200);
      return (await answer.text()).length;
    };
    for (const [index, { url }] of processes.entries()) {
      await scraped(url);
      await expectQuick(`scrape of ${roles[index]}`, () => scraped(url), MOST_SCRAPE_MS);
    }
    await until('all are counted', async () => (await counts()).length === 2, 600_000);
    for (const { part, took, count } of await counts())
      tell(`count of ${part}: ${count} onboardings in ${Math.round(took)} ms, with pauses between`);
    const { rows } = await client.query<{ live: number }>(
      `SELECT count(*)::int AS live FROM onboardings
      WHERE state NOT IN ('completed', 'failed', 'expired', 'cancelled')`,
    );
    expect((await counts()).reduce((sum, { count }) => sum + count, 0)).toBe(rows[0]!.live);
  });
});

async function counts(): Promise<{ part: string; took: number; count: number }[]> {
  const { rows } = await client.query(
    `SELECT part, took_ms AS took, (SELECT sum((each ->> 'count')::int)::int
      FROM jsonb_array_elements(counts -> 'groups') each) AS count
    FROM onboarding_counts WHERE counted_at IS NOT NULL ORDER BY part`,
  );
  return rows as { part: string; took: number; count: number }[];
}
