/**
 * Calls the service's routes in random order. Checks each answer, and finally every timeline.
 *
 *   npm run test:orders -- [--seed S] [--calls N] [--people N] [--parallel N]
 *
 * The service runs in this process. The provider is a sandbox that sometimes fails.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { flagsOrExit } from '#launcher/flags';
import * as onboarding from '#libs/onboarding';
import { Integrations } from '#libs/upstream';
import { nameAttempts } from '../chaos/crash-points.mjs';
import { Interface, type Answer } from '../support/drivers/interface.js';
import { RandomCalls } from '../support/drivers/random-calls.js';
import { Findings, SEED, say } from '../support/drivers/report.js';
import { SeededRandom } from '../support/drivers/seeded-random.js';
import { withServers, type Servers } from '../support/drivers/servers.js';
import { SETTINGS, envOf } from '../support/drivers/settings.js';
import { callInAnyWeather } from '../support/drivers/weather.js';
import { check, type Violation } from '../support/history/checker.js';
import { JournalKeeper, collect, unsettled } from '../support/history/collect.js';
import type { History } from '../support/history/history.js';
import { story } from '../support/history/lines.js';
import { World } from '../support/world.js';

const values = flagsOrExit(
  {
    name: 'npm run test:orders',
    summary: 'Calls the service in random orders: no 5xx, no illegal transition.',
    flags: {
      seed: SEED,
      calls: { is: 'count', default: 5000, about: 'calls to make' },
      people: { is: 'count', default: 40, about: 'users in all' },
      parallel: { is: 'count', default: 16, about: 'calls at the same time' },
    },
  },
  process.argv.slice(2),
);
const { calls } = values;

/** Short lifetimes, so that some onboardings expire during the run. */
const ENV = {
  CALL_TIMEOUT_MS: '1200',
  CLAIM_MAX_AGE_MS: '1100',
  LEASE_MS: '2400',
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
/** This run breaks these invariants: it sends codes twice, and resolves unknown outcomes blindly. */
const NOT_KEPT = ['I3', 'I10'];

const findings = new Findings();
const answers: Record<string, number> = {};

say(`random orders with --seed ${values.seed} --calls ${calls}`);
const violations = await withServers('orders', (servers) => run(servers, new SeededRandom(values.seed)));
process.exit(findings.size + violations > 0 ? 1 : 0);

async function run(servers: Servers, random: SeededRandom): Promise<number> {
  const startedAt = Date.now();
  const name = `orders-${startedAt.toString(36)}-`;
  const world = await World.begin({
    sandbox: { codeLifeMs: 3_000, sessionLifeMs: 2_500 },
    env: (sandbox) => ({ ...envOf(servers, sandbox), ...ENV }),
    prepare: (app) => nameAttempts(app, { ...onboarding, Integrations }),
  });
  const { sandbox } = world;
  const described = await Interface.load(world.serviceUrl);
  const journal = new JournalKeeper(sandbox.control);
  const orders = new RandomCalls(random.stream('calls'), sandbox.control, values.people, name);
  await callInAnyWeather(
    {
      calls,
      parallel: values.parallel,
      weather: random.stream('weather'),
      sandbox: sandbox.control,
      isEnough: () => findings.size >= 50,
    },
    async (left) => {
      await make(world, described, orders);
      if (left % 10_000 === 0 && left > 0) say(`  ${left} calls left`);
    },
  );

  sandbox.control.removeFaults();
  for (const until = Date.now() + SETTLE_MS; Date.now() < until; await pause(200)) {
    if ((await unsettled(servers.postgres.url, name)) === 0) break;
  }
  const history = await collect(servers.postgres.url, name, journal.close(), new Map());
  const found = check(
    history,
    {
      sessionMarginMs: Number(ENV.SESSION_MARGIN_MS),
      networkDelayMs: Number(ENV.CALL_TIMEOUT_MS),
      readAt: Date.now(),
    },
    NOT_KEPT,
  );
  await world.end();
  report(history, found, (Date.now() - startedAt) / 1_000);
  return found.length;
}

async function make(world: World, described: Interface, orders: RandomCalls): Promise<void> {
  const { someone, call } = orders.next();
  const { method, route, path, headers, body } = call;
  const response = await world.service.inject({
    method,
    url: path,
    headers: {
      authorization: `Bearer ${SETTINGS.API_KEY}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { payload: JSON.stringify(body) }),
  });
  const { statusCode, payload: text } = response;
  const answer = JSON.parse(text || 'null') as Record<string, unknown> | null;
  const code = statusCode >= 400 ? String(answer?.['code']) : null;
  const name = code === null ? String(statusCode) : `${statusCode} ${code}`;
  answers[name] = (answers[name] ?? 0) + 1;
  const operation = described.operations.find((each) => each.method === method && each.route === route)!;
  const fault =
    statusCode >= 500
      ? `${method} ${route} answered ${name}`
      : described.fault(operation, {
          status: statusCode,
          headers: response.headers as Answer['headers'],
          text,
        });
  if (fault) findings.add(fault, `${JSON.stringify(call).slice(0, 600)} → ${text.slice(0, 600)}`);
  if (code === 'otp_send_limit' || (code === 'otp_locked' && statusCode === 429)) orders.replace(someone);
  else if (statusCode < 300 && method === 'POST') orders.learn(someone, route, answer!);
}

function report({ onboardings }: History, found: Violation[], seconds: number): void {
  const total = Object.values(answers).reduce((sum, n) => sum + n, 0);
  const events = onboardings.reduce((sum, each) => sum + each.events.length, 0);
  const server = Object.keys(answers).filter((answer) => answer.startsWith('5'));
  const byAnswer = Object.entries(answers).sort(([a], [b]) => a.localeCompare(b));
  say(`seed ${values.seed}: ${total} calls in ${Math.round(seconds)} s`);
  say(`answers: ${byAnswer.map(([answer, n]) => `${answer} ${n}`).join(', ')}`);
  say(`onboardings: ${onboardings.length}, timeline events: ${events}`);
  say(`${server.length} kinds of 5xx, ${found.length} illegal histories, ${findings.size} faults`);
  findings.report();
  for (const { invariant, onboardingId, detail } of found.slice(0, 5)) {
    say(`\nVIOLATION of ${invariant}\n  onboarding ${onboardingId}: ${detail}`);
    const onboarding = onboardings.find(({ row }) => row.id === onboardingId);
    for (const line of onboarding ? story(onboarding) : []) say(`    ${line}`);
  }
}
