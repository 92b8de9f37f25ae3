/**
 * Makes calls to the service in random orders, and checks each answer and, at the end, every timeline.
 *
 *   npm run test:orders -- [--seed S] [--calls N] [--people N] [--parallel N]
 *
 * The service runs in this process, over a real PostgreSQL, Redis and the sandbox, which fails now and then.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { flagsOrExit } from '#launcher/flags';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { migrate } from '#libs/database';
import * as onboarding from '#libs/onboarding';
import { parseConfig } from '#libs/platform';
import { Integrations, PROVIDERS } from '#libs/upstream';
import { createApp } from '../../apps/onboarding/src/app.js';
import { startSandbox, type Sandbox } from '../../apps/sandbox/src/sandbox.js';
import { createWorker, startJobs } from '../../apps/worker/src/app.js';
import { check, type Violation } from '../support/history/checker.js';
import { JournalKeeper, collect, unsettled } from '../support/history/collect.js';
import { nameAttempts } from '../chaos/crash-points.mjs';
import { Documented } from './documented.js';
import type { History } from '../support/history/history.js';
import { RandomCalls, type Someone } from '../support/drivers/random-calls.js';
import { nextFault } from '../chaos/script.js';
import { SeededRandom } from '../support/drivers/seeded-random.js';
import { startServers } from '../support/drivers/servers.js';
import { SETTINGS } from '../support/drivers/settings.js';
import { story } from '../support/history/lines.js';

const say = (line: string) => void process.stdout.write(`${line}\n`);

const values = flagsOrExit(
  {
    name: 'npm run test:orders',
    summary: 'Calls the service in random orders: no 5xx, no illegal transition.',
    flags: {
      seed: {
        is: 'text',
        default: String(Date.now() % 1_000_000),
        about: 'the same seed makes the same choices',
      },
      calls: { is: 'count', default: 5000, about: 'calls to make' },
      people: { is: 'count', default: 40, about: 'users in all' },
      parallel: { is: 'count', default: 16, about: 'calls at once' },
    },
  },
  process.argv.slice(2),
);
const { calls } = values;

/** Everything ends within seconds, so that orders meet ends as well. */
const ENV = {
  ...SETTINGS,
  LOG_LEVEL: 'error',
  CALL_TIMEOUT_MS: '300',
  CLAIM_MAX_AGE_MS: '250',
  LEASE_MS: '700',
  RETRY_AFTER_MAX_MS: '300',
  SWEEP_EVERY_MS: '200',
  WAKE_AGAIN_MS: '500',
  PROBE_EVERY_MS: '200',
  RETRY_BUDGET_BURST: '100000',
  OTP_LIFE_MS: '2500',
  OTP_RESEND_COOLDOWN_MS: '30',
  OTP_SENDS_PER_WINDOW: '25',
  OTP_WRONG_PER_DAY: '25',
  SESSION_MARGIN_MS: '400',
  CHALLENGE_LIFE_MS: '1500',
  ONBOARDING_IDLE_MS: '4000',
  ONBOARDING_LIFE_MS: '12000',
};
const SETTLE_MS = 30_000;
/** This run lies about outcomes, and types the same code twice. */
const NOT_KEPT = ['I3', 'I10'];

/** What should not be, each kind once, with the first call that met it. */
const faults = new Map<string, string>();
const answers: Record<string, number> = {};
const documented = new Documented();

say(`random orders with --seed ${values.seed} --calls ${calls}`);
const queuePrefix = process.env['QUEUE_PREFIX'] ?? '{orders}';
const servers = await startServers(queuePrefix);
let violations = 0;
try {
  violations = await run(new SeededRandom(values.seed));
} finally {
  await servers.stop();
}
process.exit(faults.size + violations > 0 ? 1 : 0);

/** @returns how many histories are illegal. */
async function run(random: SeededRandom): Promise<number> {
  const startedAt = Date.now();
  const name = `orders-${startedAt.toString(36)}-`;
  await migrate(servers.postgres.url);
  const sandbox = await startSandbox({ codeLifeMs: 3_000, sessionLifeMs: 2_500 });
  const config = parseConfig(
    {
      ...ENV,
      QUEUE_PREFIX: queuePrefix,
      DATABASE_URL: servers.postgres.url,
      REDIS_URL: servers.redis.url,
      INTEGRATION_BYZANTINE_BASE_URL: sandbox.url,
      INTEGRATION_BYZANTINE_PRIVATE_KEY: sandbox.credential!.privateKeyHex,
    },
    PROVIDERS,
  );
  const service = await createApp(config);
  const worker = await createWorker(config);
  for (const app of [service, worker]) {
    await app.init();
    nameAttempts(app, { ...onboarding, Integrations });
  }
  startJobs(worker);
  const journal = new JournalKeeper(sandbox.control);
  const orders = new RandomCalls(random.stream('calls'), sandbox.control, values.people, name);
  await callInAnyOrder(service, orders, sandbox, random.stream('weather'));

  sandbox.control.removeFaults();
  for (const until = Date.now() + SETTLE_MS; Date.now() < until; await pause(200)) {
    if ((await unsettled(servers.postgres.url, name)) === 0) break;
  }
  const history = await collect(servers.postgres.url, name, sandbox.control, journal.close(), new Map());
  const found = check(
    history,
    {
      sessionMarginMs: Number(ENV.SESSION_MARGIN_MS),
      networkDelayMs: Number(ENV.CALL_TIMEOUT_MS),
      readAt: Date.now(),
    },
    NOT_KEPT,
  );
  for (const closable of [service, worker, sandbox]) await closable.close();
  report(history, found, (Date.now() - startedAt) / 1_000);
  return found.length;
}

async function callInAnyOrder(
  service: NestFastifyApplication,
  orders: RandomCalls,
  sandbox: Sandbox,
  weather: SeededRandom,
): Promise<void> {
  let left = calls;
  const caller = async () => {
    while (left > 0 && faults.size < 50) {
      left -= 1;
      if (weather.chance(0.03) && sandbox.control.pendingFaults().length < 4) {
        sandbox.control.addFault(nextFault(weather));
      }
      await make(service, orders);
      if (left % 10_000 === 0 && left > 0) say(`  ${left} calls left`);
    }
  };
  await Promise.all(Array.from({ length: values.parallel }, caller));
}

async function make(service: NestFastifyApplication, orders: RandomCalls): Promise<void> {
  const { someone, call } = orders.next();
  const { method, route, path, headers, body } = call;
  const response = await service.inject({
    method,
    url: path,
    headers: {
      authorization: `Bearer ${SETTINGS.API_KEY}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  });
  const { statusCode } = response;
  const answer = JSON.parse(response.payload || 'null') as Record<string, unknown> | null;
  const code = statusCode >= 400 ? String(answer?.['code']) : null;
  const name = code === null ? String(statusCode) : `${statusCode} ${code}`;
  answers[name] = (answers[name] ?? 0) + 1;
  const fault =
    statusCode >= 500
      ? `${method} ${route} answered ${name}`
      : documented.fault(method, route, statusCode, code);
  if (fault && !faults.has(fault)) {
    faults.set(fault, `${JSON.stringify(call).slice(0, 600)} → ${response.payload.slice(0, 600)}`);
  }
  // The subject has used its budgets up: somebody else takes the place.
  if (code === 'otp_send_limit' || (code === 'otp_locked' && statusCode === 429)) orders.replace(someone);
  else if (statusCode < 300 && method === 'POST') learn(someone, route, answer!);
}

/** What later calls build upon. */
function learn(someone: Someone, route: string, answer: Record<string, unknown>): void {
  if (typeof answer['challenge'] === 'string') someone.challenge = answer['challenge'];
  if (typeof answer['version'] !== 'number') return;
  const { userId } = answer['subject'] as { userId: string };
  if (userId !== someone.subject.userId) return;
  if (route === '/v1/onboardings') someone.id = String(answer['id']);
  someone.version = answer['version'];
}

function report({ onboardings }: History, found: Violation[], seconds: number): void {
  const total = Object.values(answers).reduce((sum, n) => sum + n, 0);
  const events = onboardings.reduce((sum, each) => sum + each.events.length, 0);
  const server = Object.keys(answers).filter((answer) => answer.startsWith('5'));
  const byAnswer = Object.entries(answers).sort(([a], [b]) => a.localeCompare(b));
  say(`seed ${values.seed}: ${total} calls in ${Math.round(seconds)} s`);
  say(`answers: ${byAnswer.map(([answer, n]) => `${answer} ${n}`).join(', ')}`);
  say(`onboardings: ${onboardings.length}, timeline events: ${events}`);
  say(`${server.length} kinds of 5xx, ${found.length} illegal histories, ${faults.size} faults`);
  for (const [fault, call] of faults) say(`FAULT ${fault}\n  ${call}`);
  for (const { invariant, onboardingId, detail } of found.slice(0, 5)) {
    say(`\nVIOLATION of ${invariant}\n  onboarding ${onboardingId}: ${detail}`);
    const onboarding = onboardings.find(({ row }) => row.id === onboardingId);
    for (const line of onboarding ? story(onboarding) : []) say(`    ${line}`);
  }
}
