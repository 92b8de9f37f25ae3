import { Client } from 'pg';
import { Pool } from 'undici';
import { say, step } from '../tools/console.js';
import { contenders, type Running } from './contenders.js';
import { median } from './count.js';
import { forkHelper, takeSample } from './measure.js';
import { prepare } from './prepare.js';

const SIZES = [10_000, 100_000, 1_000_000];
const LOAD = { atOnce: 16, warmMs: 5_000, windowMs: 8_000 };
const READS = 21;
/** An account with every tenth onboarding, and an account with only one. */
const [COMMON, RARE] = ['00000000-0000-4000-8000-000000000000', '00000000-0000-4000-8000-000000000007'];

/**
 * Inserts open onboardings whose code lasts a day, with send budgets, idempotency keys and first events. Some
 * belong to the caller that makes the load.
 */
const FILL = [
  `INSERT INTO onboardings (id, created_at, caller, integration, provider, subject, subject_key, external_ref,
     data_key_id,
     state, version, last_seq, attempt, submission, otp_handle, otp_sends, otp_sent_at, otp_expires_at,
     otp_tries_left,
     idle_ends_at, life_ends_at, due_at)
   SELECT (lpad(to_hex(ms), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0'))::uuid,
     to_timestamp(ms / 1000.0),
     CASE n % 4 WHEN 0 THEN 'bench' WHEN 1 THEN 'shop' WHEN 2 THEN 'bank' ELSE 'desk' END,
     'byzantine', 'byzantine',
     jsonb_build_object('accountId', CASE WHEN n = 7 THEN '${RARE}' WHEN n % 10 = 0 THEN '${COMMON}'
       ELSE gen_random_uuid()::text END, 'userId', gen_random_uuid()),
     'growth/' || n, 'growth-' || n, 'k1', 'otp_sent', 2, 4, 1, 1, gen_random_uuid(), 1,
     t, t + interval '1 day', 3,
     t + interval '1 day', t + interval '1 day', t + interval '1 day'
   FROM generate_series($1::bigint, $2::bigint) n, clock_timestamp() t,
     LATERAL (SELECT (extract(epoch FROM t) * 1000)::bigint - 3600000 + n / 1000 AS ms) a`,
  `INSERT INTO otp_budgets (integration, subject_key, sends, live_id)
   SELECT integration, subject_key, ARRAY[otp_sent_at], id FROM onboardings o
   WHERE o.external_ref = ANY (SELECT 'growth-' || n FROM generate_series($1::bigint, $2::bigint) n)`,
  `INSERT INTO onboarding_events (onboarding_id, seq, type, actor)
   SELECT o.id, e.seq, e.type, e.actor FROM onboardings o,
     (VALUES (1, 'created', 'caller'), (2, 'attempt_started', 'service'), (3, 'attempt_ended', 'upstream'),
       (4, 'otp_sent', 'upstream')) AS e (seq, type, actor)
   WHERE o.external_ref = ANY (SELECT 'growth-' || n FROM generate_series($1::bigint, $2::bigint) n)`,
  `INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, sealed_answer)
   SELECT 'shop', 'POST /v1/onboardings', 'growth-' || n, repeat('f', 43), gen_random_uuid(), NULL, '\\x00'
   FROM generate_series($1::bigint, $2::bigint) n`,
];
const FILL_BATCH = 100_000;

const DUE = `SELECT o.* FROM onboardings o
  WHERE o.state NOT IN ('completed', 'failed', 'expired', 'cancelled')
    AND o.due_at <= (SELECT clock_timestamp())
  ORDER BY o.due_at LIMIT 500`;

const PATHS: Record<string, string> = {
  'first page': '/v1/onboardings',
  'by state': '/v1/onboardings?state=otp_sent',
  'by a state without rows': '/v1/onboardings?state=outcome_unknown',
  'by a state that time leads to': '/v1/onboardings?state=otp_needed',
  'by caller and state': '/v1/onboardings?caller=shop&state=completed',
  'by integration': '/v1/onboardings?integration=byzantine',
  'by a common account': `/v1/onboardings?accountId=${COMMON}`,
  'by a rare account': `/v1/onboardings?accountId=${RARE}`,
  'by reference': '/v1/onboardings?externalRef=growth-77',
  'by time': '/v1/onboardings?state=otp_sent&createdBefore=2020-01-01T00:00:00Z',
  parked: '/v1/onboardings?parked=true',
  metrics: '/metrics',
};

interface Figures {
  perSecond: number;
  p99: number;
  dueMs: number;
  reads: Record<string, number>;
  rssMb: number | null;
}

export async function growth(): Promise<void> {
  const { surroundings, stop } = await prepare();
  const generator = forkHelper('generator.ts');
  try {
    const gangway = contenders().find(({ name }) => name === 'gangway')!;
    const running = await gangway.start(surroundings);
    const database = new Client({ connectionString: running.databaseUrl });
    await database.connect();
    const pool = new Pool(running.url);
    // Warm up, because compiling code and filling caches must not look like an effect of growth.
    await takeSample(generator, running, surroundings.servers, { ...LOAD, warmMs: 15_000 });
    const found: Figures[] = [];
    let rows = 0;
    for (const size of SIZES) {
      await step(`Filling up to ${size} open onboardings`, () => fill(database, rows, size));
      rows = size;
      const { perSecond, p99, rssMb } = await takeSample(generator, running, surroundings.servers, LOAD);
      found.push({ perSecond, p99, rssMb, dueMs: await dueMs(database), reads: await reads(pool, running) });
    }
    print(found);
    await pool.close();
    await database.end();
    await running.stop();
  } finally {
    generator.disconnect();
    await stop();
  }
}

async function fill(database: Client, from: number, to: number): Promise<void> {
  for (let first = from + 1; first <= to; first += FILL_BATCH) {
    for (const text of FILL) await database.query(text, [first, Math.min(to, first + FILL_BATCH - 1)]);
  }
  await database.query('VACUUM (ANALYZE)');
  await database.query('CHECKPOINT');
}

/** How many milliseconds PostgreSQL takes to find that no onboarding is due. */
async function dueMs(database: Client): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < READS; n++) {
    const { rows } = await database.query<{ 'QUERY PLAN': [{ 'Execution Time': number }] }>(
      `EXPLAIN (ANALYZE, FORMAT JSON) ${DUE}`,
    );
    times.push(rows[0]!['QUERY PLAN'][0]['Execution Time']);
  }
  return median(times);
}

async function reads(pool: Pool, { token }: Running): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [name, path] of Object.entries(PATHS)) {
    const times: number[] = [];
    for (let n = 0; n < READS; n++) {
      const beganAt = performance.now();
      const answer = await pool.request({
        method: 'GET',
        path,
        headers: { authorization: `Bearer ${token}` },
      });
      await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode}`);
      times.push(performance.now() - beganAt);
    }
    found[name] = median(times);
  }
  return found;
}

function print(found: Figures[]): void {
  const line = (name: string, valueOf: (figures: Figures) => number | null, digits: number) =>
    say(`| ${[name, ...found.map((each) => valueOf(each)?.toFixed(digits) ?? '–')].join(' | ')} |`);
  say(`\n| open onboardings | ${SIZES.map((size) => size.toLocaleString('en')).join(' | ')} |`);
  say(`| --- |${' ---: |'.repeat(SIZES.length)}`);
  line('onboardings a second, 16 at once', ({ perSecond }) => perSecond, 0);
  line('p99 of a call, ms', ({ p99 }) => p99, 0);
  line('memory of the service, MB', ({ rssMb }) => rssMb, 0);
  line('scan for what is due, ms', ({ dueMs: ms }) => ms, 2);
  for (const name of Object.keys(PATHS)) line(`${name}, ms`, (figures) => figures.reads[name]!, 1);
}
