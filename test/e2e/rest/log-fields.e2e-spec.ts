import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LOG_FIELDS, LOG_MODULES } from '#libs/platform';
import { until } from '#libs/testing';
import { gangway } from '../../support/command-line.js';
import type { AppProcess } from '../../support/app-process.js';
import { ConsoleBrowser } from '../../support/console-browser.js';
import { byPassword } from '../../support/console-logins.js';
import { StepUnderTest } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';
import { newKey } from '../secrets/canary/integrations.js';

type Line = Record<string, unknown>;

const CHECKOUT = join(import.meta.dirname, '../../..');
/** Fields that no log line of this test has, each with the source file that writes it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  apiKeyId: 'libs/callers/src/api-key-login.ts',
  count: 'libs/onboarding/src/upkeep/reseal.ts',
  metric: 'libs/platform/src/signals/metrics.ts',
  more: 'libs/platform/src/request-log.ts',
  oauth: 'libs/operators/src/identity-provider.ts',
  repeated: 'libs/jobs/src/bounded-log.ts',
};
/** Only lines that are written during a span have these fields. The tests of traces check them. */
const OF_TRACES: ReadonlySet<string> = new Set(['trace_id', 'span_id', 'trace_flags']);

const [old, fresh] = [newKey(), newKey()];
const DEBUG = { LOG_LEVEL: 'debug' };

let story: Story;
let apps: AppProcess[];
beforeAll(async () => {
  story = await Story.begin({
    service: false,
    worker: false,
    sandbox: { pubkeys: [`0x${old.publicKey}`] },
    proxied: ['DATABASE_URL', 'REDIS_URL'],
    env: {
      INTEGRATION_BYZANTINE_PRIVATE_KEY: old.privateKey,
      INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY: fresh.privateKey,
      ANCHOR_EVERY_MS: '200',
      BREAKER_CALLS: '5',
      BREAKER_OPEN_MS: '200',
    },
  });
  apps = await Promise.all([
    story.startProcess('onboarding', DEBUG),
    story.startProcess('worker', DEBUG),
    story.startProcess('console', DEBUG),
  ]);
  story.consoleUrl = apps[2]!.url;
});
afterAll(() => story.end());

const lines = (): Line[] =>
  apps.flatMap((app) =>
    app.said.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : [])),
  );
const aLineWith = (about: Line) =>
  until(`a line with ${JSON.stringify(about)}`, () =>
    lines().some((line) => Object.entries(about).every(([name, value]) => line[name] === value)),
  );

async function requests(): Promise<void> {
  const { id, subject } = await story.sent();
  const key = { 'idempotency-key': randomUUID() };
  for (let n = 0; n < 2; n++) await story.verify(id, story.wrongCode(subject), key);
  await story.get(id);
  await story.call('GET', '/nothing/here');
  await story.call('GET', '/v1/onboardings', undefined, { authorization: 'Bearer a.b.c' });
  const operation = { action: 'cancel', ids: [id], reason: 'a test' };
  await story.call('POST', '/v1/operations', operation);
  await story.until(id, 'cancelled');
}

async function operators(): Promise<void> {
  const browser = new ConsoleBrowser(story);
  await byPassword(browser);
  await browser.visit('/');
}

async function refusals(): Promise<void> {
  const { control } = story.sandbox;
  const lost = await StepUnderTest.before(story, 'verify-otp');
  await lost.strike({ cut: 'after' }).submit();
  const unknown = await StepUnderTest.before(story, 'verify-otp');
  await unknown.strike({ status: 400, body: { error: 'the moon is full' } }).submit();
  control.addFault({ route: '*', status: 401, times: 0 });
  await story.start(story.newSubject());
  control.removeFaults();
  await story.sent();
  await aLineWith({ access: 'accepted' });
  control.registerKeys([`0x${fresh.publicKey}`]);
  await story.sent();
  control.addFault({ route: '*', status: 503, times: 0 });
  for (let n = 0; n < 6; n++) await story.start(story.newSubject(), {}, { prefer: 'respond-async' });
  await aLineWith({ breaker: 'open' });
  await aLineWith({ health: 'degraded' });
  control.removeFaults();
  await aLineWith({ breaker: 'closed' });
}

async function outages(): Promise<void> {
  const redis = await story.proxyTo('REDIS_URL');
  redis.refuse();
  await aLineWith({ context: 'RedisLink' });
  await story.mend();
  const database = await story.proxyTo('DATABASE_URL');
  database.refuse();
  await story.call('GET', '/v1/onboardings');
  await story.mend();
  await until('the service is back', async () => (await story.call('GET', '/v1/onboardings')).status === 200);
}

async function levels(): Promise<void> {
  await gangway(story, 'logs', 'level', 'Probe', 'trace');
  await aLineWith({ context: 'LogLevels' });
}

describe('the log lines of service, worker and console', () => {
  beforeAll(async () => {
    await requests();
    await operators();
    await refusals();
    await levels();
    await outages();
    await until('a timeline is anchored', () => lines().some(({ anchored }) => anchored !== undefined));
  });

  it('have only documented fields', () => {
    const seen = new Set(lines().flatMap(Object.keys));
    expect([...seen].filter((name) => !(name in LOG_FIELDS))).toEqual([]);
  });

  it('have each documented field', () => {
    const seen = new Set(lines().flatMap(Object.keys));
    const missing = Object.keys(LOG_FIELDS).filter((name) => !seen.has(name) && !OF_TRACES.has(name));
    expect(missing.filter((name) => !(name in ELSEWHERE))).toEqual([]);
  });

  it('have values of the documented types', () => {
    for (const line of lines()) {
      for (const [name, value] of Object.entries(line)) {
        const type = LOG_FIELDS[name]?.type.replace('error', 'object');
        if (value !== null) expect([name, typeof value]).toEqual([name, type]);
      }
    }
  });

  it('name a module whose level can be changed', () => {
    const contexts = new Set(lines().map(({ context }) => context));
    expect([...contexts].filter((context) => !(LOG_MODULES as readonly unknown[]).includes(context))).toEqual(
      [],
    );
  });

  it('have ids and names as fields, and not only in their text', () => {
    const inText = (line: Line, word: RegExp) => word.test(String(line['msg']));
    const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-7/;
    const wrong = lines().filter(
      (line) =>
        (inText(line, uuid) && !line['onboardingId'] && !line['operationId'] && !line['traceId']) ||
        (inText(line, /\bbyzantine\b/) && !line['integration']) ||
        (inText(line, /\b(init-otp|verify-otp|create-authenticators)\b/) &&
          !line['step'] &&
          !line['job'] &&
          !line['health']),
    );
    expect(wrong).toEqual([]);
  });

  it('name the onboarding, the queue and the job when a worker runs a step', () => {
    const ofSteps = lines().filter(
      // The queue's worker also logs the loss of its connection, which belongs to no step.
      ({ context, queue, msg }) =>
        context === 'JobRunner' && queue === 'steps' && !String(msg).startsWith('worker of'),
    );
    expect(ofSteps.length).toBeGreaterThan(0);
    for (const line of ofSteps) {
      expect(line).toMatchObject({ onboardingId: expect.any(String), job: expect.any(String) });
    }
  });
});

it.each(Object.entries(ELSEWHERE))('the log field %s is written by %s', (name, file) => {
  expect(readFileSync(join(CHECKOUT, file), 'utf8')).toMatch(new RegExp(`\\b${name}\\b`));
});

it('no lib or app uses the logger of Nest or pino directly', () => {
  const sources = ['apps', 'libs'].flatMap((folder) =>
    readdirSync(join(CHECKOUT, folder), { recursive: true, encoding: 'utf8' })
      .map((file) => join(folder, file))
      .filter((file) => /\/src\/.*\.tsx?$/.test(file) && !/spec\.ts$|\/fixtures\/|^libs\/testing/.test(file)),
  );
  const own = /^libs\/platform\/src\/(signals\/log|request-log|platform\.module|http)/;
  const others = sources.filter(
    (file) =>
      !own.test(file) && /\b(new Logger\(|PinoLogger)/.test(readFileSync(join(CHECKOUT, file), 'utf8')),
  );
  expect(others).toEqual([]);
});
