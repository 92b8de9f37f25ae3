import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Timelines } from '#libs/onboarding';
import { until } from '#libs/testing';
import { Queues } from '#libs/jobs';
import { ENV, begin, heard, type ActName, type Seen, type Situation } from './acts.js';
import { INTERLEAVINGS, type Interleaving } from './interleavings.js';
import { RecordedTable } from './recorded-table.js';
import { Side, Watcher, type Met } from './two-sides.js';
import { indented } from './words.js';

let one: Side;
let other: Side;
let watcher: Watcher;
let deadlocksBefore: number;
beforeAll(async () => {
  [one, other, watcher] = [await Side.open(ENV), await Side.open(ENV), await Watcher.open()];
  await until('Redis is ready', () => [one, other].every((side) => side.get(Queues).isReady()));
  deadlocksBefore = await watcher.deadlocks();
});
afterAll(async () => {
  await Promise.all([one.close(), other.close(), watcher.close()]);
});
const TABLES = [
  'onboarding_events',
  'webauthn_challenges',
  'credentials',
  'otp_budgets',
  'idempotency_keys',
  'integration_trials',
  'onboardings',
];
beforeEach(async () => {
  // The previous test may have failed inside a transaction.
  await Promise.all([one.end('ROLLBACK'), other.end('ROLLBACK')]);
  for (const table of TABLES) await watcher.query(`DELETE FROM ${table}`);
  await Promise.all([one.meet(), other.meet()]);
});

interface Course {
  met: Met;
  first: string;
  second: string;
  left: string;
}

/** Begins the second statement after the first has written and before it commits. */
async function interleaved(
  situation: Situation,
  [first, second]: readonly [ActName, ActName],
): Promise<Course> {
  const seen = await begin(one, situation);
  await one.begin();
  const firstHeard = await heard(first, one, seen);
  let ended = false;
  const running = heard(second, other, seen).finally(() => (ended = true));
  const met = await watcher.meeting(other, one, () => ended);
  await one.end('COMMIT');
  const secondHeard = await running;
  return { met, first: firstHeard, second: secondHeard, left: await standing(seen) };
}

async function standing({ row: { integration, subjectKey }, id }: Seen): Promise<string> {
  const rows = await watcher.query<{ id: string; state: string; last_seq: number; types: string[] }>(
    `SELECT o.id, o.state, o.last_seq, ARRAY(
       SELECT e.type FROM onboarding_events e WHERE e.onboarding_id = o.id ORDER BY e.seq) AS types
     FROM onboardings o WHERE o.id = $1 OR (o.integration = $2 AND o.subject_key = $3) ORDER BY o.id`,
    [id, integration, subjectKey],
  );
  for (const row of rows) {
    expect(row.types).toHaveLength(row.last_seq);
    expect(await other.get(Timelines).verifyTimeline(row.id)).toMatchObject({ fault: null });
  }
  const live = rows.filter(({ state }) => !['completed', 'failed', 'expired', 'cancelled'].includes(state));
  expect(live.length).toBeLessThanOrEqual(1);
  const [beside] = await watcher.query<Record<string, number>>(
    `SELECT
       (SELECT coalesce(sum(cardinality(sends) ), 0) FROM otp_budgets)::int AS sends,
       (SELECT coalesce(sum(cardinality(wrong_codes)), 0) FROM otp_budgets)::int AS tries,
       (SELECT count(*) FROM webauthn_challenges)::int AS challenges,
       (SELECT count(*) FROM credentials)::int AS registered,
       (SELECT count(*) FROM idempotency_keys WHERE fingerprint <> '')::int AS keys`,
  );
  const counts = Object.entries(beside!).filter(([, count]) => count > 0);
  return [
    ...rows.map(({ state, types }) => `${state}: ${types.join(', ') || 'no event'}`),
    `beside: ${counts.map(([name, count]) => `${count} ${name}`).join(', ') || 'nothing'}`,
  ].join('\n');
}

const titleOf = ({ situation, first, second }: Interleaving) => `${situation}: ${first}, then ${second}`;

const told = (row: Interleaving, { met, first, second, left }: Course) =>
  `${titleOf(row)}\n  ${met}; ${first}, then ${second}\n${indented(left, 4)}`;

const table = new RecordedTable(
  'interleavings',
  `The effects of two statements on one onboarding under READ COMMITTED, if the second begins before the first
commits. The second waits for the first, or passes without waiting. Each entry then has the answers of both
callers, all onboardings of the subject with their events, and the counts of rows in other tables.`,
  'ACCEPT_TABLES=1 npm run test:int -- test/core',
);

describe('two statements, of which the second begins before the first commits,', () => {
  it.each(INTERLEAVINGS)(
    'have the recorded effect in the situation "$situation": $first, then $second',
    async (row) => {
      const course = await interleaved(row.situation, [row.first, row.second]);
      table.compare(told(row, course));
    },
  );

  it('give exactly the entries of the recorded table', () => table.end());

  it('never deadlock', async () => {
    // PostgreSQL may add a connection's deadlocks to the statistics only when the connection ends.
    for (const side of [one, other]) await watcher.end(side);
    expect(await watcher.deadlocks()).toBe(deadlocksBefore);
  });
});
