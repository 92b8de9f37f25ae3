/**
 * Measures what an outage of Redis costs with the default timeouts and intervals. The run sends FLUSHALL
 * while steps wait for their retries. Then it kills Redis while users continue to start onboardings.
 *
 * npm run test:outage -- [--seconds N] [--waiting N] [--rate N]
 *
 * Exits with 1 if a start was refused, if a step still waited one minute after FLUSHALL, or if the worker
 * needed more than 2 × N seconds after an outage of N seconds.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { flagsOrExit } from '#launcher/flags';
import { Client } from 'pg';
import { startSandbox } from '../../apps/sandbox/src/sandbox.js';
import { Fleet } from './fleet.js';
import { say } from '../support/drivers/report.js';
import { SeededRandom } from '../support/drivers/seeded-random.js';
import { startServers } from '../support/drivers/servers.js';
import { SETTINGS, envOf } from '../support/drivers/settings.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const GOES_ON_WITHIN_MS = 60_000;
/** All processes together may grow by this much, because garbage collection varies. */
const FLAT_MB = 48;

const { seconds, waiting, rate } = flagsOrExit(
  {
    name: 'npm run test:outage',
    summary: 'Measures what a flushed and a killed Redis cost with the default times.',
    flags: {
      seconds: { is: 'count', default: 120, about: 'length of each outage' },
      waiting: { is: 'count', default: 100, about: 'onboardings that wait for a retry' },
      rate: { is: 'count', default: 10, about: 'starts a second' },
    },
  },
  process.argv.slice(2),
);

/** Variables with these prefixes have the values of the tests. */
const KEPT = [
  'NODE_ENV',
  'LOG_LEVEL',
  'HOST',
  'QUEUE_PREFIX',
  'DATABASE_URL',
  'API_KEY',
  'SEALING_KEYS',
  'HASH_KEY',
  'OPS_PASSWORD',
  'INTEGRATION',
  'RATE_LIMIT',
];
const withoutTimes = (env: Record<string, string>) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => KEPT.some((start) => name.startsWith(start))));

const servers = await startServers('outage');
const sandbox = await startSandbox({ acceptAnySubject: true });
const link = await TcpProxy.start(servers.redis.url);
const random = new SeededRandom('outage');
const faults: string[] = [];
const fleet = new Fleet({
  random,
  services: 2,
  workers: 2,
  env: {
    ...withoutTimes(envOf(servers, sandbox)),
    REDIS_URL: link.url,
    RETRY_BUDGET_BURST: '100000',
    BREAKER_CALLS: '10000',
  },
  onKill: () => undefined,
  onFault: (detail) => faults.push(detail),
});
const database = new Client({ connectionString: servers.postgres.url });

try {
  await database.connect();
  fleet.disarm();
  await fleet.start();
  await flushed();
  await outage();
} finally {
  await fleet.stop();
  await database.end();
  await Promise.all([link.close(), sandbox.close()]);
  await servers.stop();
}
for (const fault of faults) say(`FAULT ${fault}`);
process.exit(faults.length > 0 ? 1 : 0);

async function flushed(): Promise<void> {
  sandbox.control.addFault({ route: 'init-otp', status: 503, times: waiting });
  await Promise.all(Array.from({ length: waiting }, start));
  const before = await waitingForRetry();
  await servers.flush();
  const tookMs = await drained(GOES_ON_WITHIN_MS);
  say(`FLUSHALL with ${before} of ${waiting} sends waiting for a retry: all sent ${inSeconds(tookMs)} later`);
  await allSent(waiting);
  if (before < waiting / 2) faults.push('too few sends were waiting, so this run shows nothing');
}

async function outage(): Promise<void> {
  const before = await memory();
  await servers.redis.kill!();
  const statuses: Record<string, number> = {};
  const samples: number[] = [];
  const running: Promise<void>[] = [];
  const until = performance.now() + seconds * 1_000;
  for (let n = 0; performance.now() < until; n++) {
    // One attempt in ten fails. While Redis is down, no job can be queued for its retry.
    if (n % 10 === 0) sandbox.control.addFault({ route: 'init-otp', status: 503, times: 1 });
    running.push(
      start()
        .catch(() => 0)
        .then((status) => void (statuses[status] = (statuses[status] ?? 0) + 1)),
    );
    if (n % (rate * 5) === 0) samples.push(await memory());
    await pause(1_000 / rate);
  }
  await Promise.all(running);
  const backlog = await waitingForRetry();
  await servers.redis.start();
  link.leadTo(servers.redis.url);
  const tookMs = await drained(2_000 * seconds);
  // A new process always grows at first, so the run compares only the last two thirds.
  const third = Math.floor(samples.length / 3);
  const [settledMb, lastMb] = [mean(samples.slice(third, 2 * third)), mean(samples.slice(2 * third))];
  say(`Redis away for ${seconds} s: starts ${JSON.stringify(statuses)}`);
  say(
    `memory of two services and two workers: ${before} MB before, ${settledMb} MB in the second third of ` +
      `the outage, ${lastMb} MB in the last`,
  );
  say(`backlog of ${backlog} retries: drained ${inSeconds(tookMs)} after Redis was back`);
  if (Object.keys(statuses).some((status) => !['201', '202'].includes(status)))
    faults.push('a start was refused');
  await allSent(waiting + running.length);
  if (backlog === 0) faults.push('no retry was waiting, so this run shows nothing');
  if (!(lastMb - settledMb <= FLAT_MB)) faults.push(`memory grows: ${samples.join(', ')} MB`);
}

async function start(): Promise<number> {
  const response = await fetch(`${fleet.serviceUrl(random)}/v1/onboardings`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${SETTINGS.API_KEY}`,
      'content-type': 'application/json',
      prefer: 'wait=0',
    },
    body: JSON.stringify({ subject: { accountId: randomUUID(), userId: randomUUID() } }),
  });
  await response.body?.cancel();
  return response.status;
}

async function count(condition: string): Promise<number> {
  const { rows } = await database.query(`SELECT count(*)::int AS n FROM onboardings WHERE ${condition}`);
  return rows[0].n as number;
}

function unsent(): Promise<number> {
  return count(`state = 'otp_requested'`);
}

async function waitingForRetry(): Promise<number> {
  while ((await count('lease_until IS NOT NULL')) > 0) await pause(10);
  return count('next_attempt_at IS NOT NULL');
}

async function allSent(started: number): Promise<void> {
  const sent = await count(`state = 'otp_sent' OR reason = 'otp_expired'`);
  if (sent !== started) faults.push(`${started} starts, but ${sent} codes sent`);
}

async function drained(withinMs: number): Promise<number> {
  const from = performance.now();
  while ((await unsent()) > 0) {
    if (performance.now() - from > withinMs) {
      faults.push(`${await unsent()} sends still wait after ${inSeconds(withinMs)}`);
      break;
    }
    await pause(100);
  }
  return performance.now() - from;
}

async function memory(): Promise<number> {
  const texts = fleet.urls().map(async (url) => (await fetch(`${url}/metrics`)).text());
  const bytes = (await Promise.all(texts)).map((text) =>
    Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]),
  );
  return Math.round(bytes.reduce((sum, each) => sum + each, 0) / 1024 / 1024);
}

function mean(values: number[]): number {
  return Math.round(values.reduce((sum, each) => sum + each, 0) / values.length);
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
