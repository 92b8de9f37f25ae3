import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { Pool } from 'undici';
import { say, step } from '../tools/console.js';
import { contenders, type Running } from './contenders.js';
import { lineChart } from './line-chart.js';
import { forkHelper, takeSample } from './measure.js';
import { prepare } from './prepare.js';

/** Onboardings that wait for a retry when the provider comes back. */
const WAITING = 20_000;
/** Retries in ten seconds, over all processes. */
const BURST = 500;
const PROVIDER_MS = 50;
/** Other callers' load while the retries run. */
const CALM = { atOnce: 4, perSecond: 10, warmMs: 2_000, windowMs: 30_000 };

const COUNT_WAITING = `SELECT count(*)::int AS waiting FROM onboardings WHERE state = 'otp_requested'`;

/**
 * Starts many onboardings while the provider is down, and measures how fast they complete when it is back.
 */
export async function storm(): Promise<void> {
  const { surroundings, upstream, stop } = await prepare();
  const generator = forkHelper('generator.ts');
  try {
    const env = { RETRY_BUDGET_BURST: String(BURST) };
    const gangway = contenders().find(({ name }) => name === 'gangway')!;
    const running = await gangway.start({ ...surroundings, env });
    const database = new Client({ connectionString: running.databaseUrl });
    await database.connect();
    const waiting = async () => (await database.query<{ waiting: number }>(COUNT_WAITING)).rows[0]!.waiting;

    await upstream.answerAfter(PROVIDER_MS);
    const sample = (load: typeof CALM) => takeSample(generator, running, surroundings.servers, load);
    const calm = await step('Measuring calm', () => sample({ ...CALM, warmMs: 15_000 }));
    await upstream.answerAfter(0, true);
    await step(`Starting ${WAITING} onboardings while the provider fails`, () => startMany(running));
    await upstream.answerAfter(PROVIDER_MS);
    const backAt = Date.now();
    const pool = new Pool(running.url);
    const before = await waiting();
    // A process with an open breaker lets new onboardings wait. So other callers' load begins only when the
    // breakers of worker and service are closed.
    while ((await waiting()) === before) await wait(100);
    while ((await startOne(pool, running, 'wait=2')) !== 201) await wait(500);
    const leadS = (Date.now() - backAt) / 1_000;

    const left: number[] = [];
    const storming = sample({ ...CALM, windowMs: 120_000 });
    for (let n = await waiting(); n > 0; n = await waiting()) {
      left.push(n);
      say(`  ${n} wait`);
      await wait(5_000 - ((Date.now() - backAt) % 5_000));
    }
    const drainedS = (Date.now() - backAt) / 1_000;
    const during = await storming;
    const calls = await upstream.answerAfter(0);
    const backS = Math.floor(backAt / 1_000);
    const perSecond = Array.from({ length: Math.ceil(drainedS) }, (_, n) => calls.get(backS + n) ?? 0);

    say(
      `\n${before} waited. The first call succeeded after ${leadS.toFixed(1)} s, ` +
        `the last after ${drainedS.toFixed(0)} s.`,
    );
    say(`p99 of other callers: calm ${calm.p99.toFixed(0)} ms, meanwhile ${during.p99.toFixed(0)} ms`);
    say(`p50: calm ${calm.p50.toFixed(0)} ms, meanwhile ${during.p50.toFixed(0)} ms`);
    say(`\n${lineChart('Most calls to the provider in a second', 's', perSecond)}`);
    say(`\n${lineChart('Onboardings that wait', 's', left, 5)}`);
    const { rows } = await database.query(
      'SELECT state, count(*)::int FROM onboardings GROUP BY 1 ORDER BY 1',
    );
    say(`\nIn the end: ${rows.map(({ state, count }) => `${count} ${state}`).join(', ')}`);
    await pool.close();
    await database.end();
    await running.stop();
  } finally {
    generator.disconnect();
    await stop();
  }
}

async function startMany(running: Running): Promise<void> {
  const pool = new Pool(running.url, { connections: 64, pipelining: 1 });
  let left = WAITING;
  const lane = async () => {
    while (left-- > 0) {
      const statusCode = await startOne(pool, running, 'respond-async');
      if (statusCode !== 202) throw new Error(`a start was answered ${statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: 64 }, lane));
  await pool.close();
}

async function startOne(pool: Pool, { token }: Running, prefer: string): Promise<number> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/v1/onboardings',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', prefer },
    body: JSON.stringify({ subject: { accountId: randomUUID(), userId: randomUUID() } }),
  });
  await body.dump();
  return statusCode;
}
