import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SecretHunt } from '../../support/secret-hunt.js';
import { badBoots, CRASHES, crashes, processTitles } from './canary/boot-and-crash.js';
import { byzantineFlows } from './canary/byzantine-flows.js';
import { callerFlows } from './canary/caller-flows.js';
import { Canary } from './canary/canary.js';
import { consoleFlows } from './canary/console-flows.js';
import { misplacedFlows } from './canary/misplaced-flows.js';
import { summaryOf } from './canary/summary.js';
import { turnkeyFlows } from './canary/turnkey-flows.js';

/**
 * Known secrets go through every flow. Then the tests search for them in all data that someone could read.
 */
jest.setTimeout(480_000);

let canary: Canary;
let found: ReturnType<Canary['search']>;
let ends: Awaited<ReturnType<typeof crashes>>;

beforeAll(async () => {
  canary = await Canary.begin();
  // If all flows ran at the same time, a slow machine could refuse requests that contain secrets.
  await byzantineFlows(canary);
  await turnkeyFlows(canary);
  await Promise.all([callerFlows(canary), misplacedFlows(canary)]);
  await consoleFlows(canary);
  await badBoots(canary);
  ends = await crashes(canary);
  await processTitles(canary);
  await canary.collect();
  found = canary.search();
  process.stdout.write(summaryOf(found));
}, 480_000);

afterAll(() => canary?.end());

const hitsIn = (...sinks: string[]) => {
  for (const sink of sinks) expect([sink, canary.textOf(sink).length > 0]).toEqual([sink, true]);
  return found.finds.filter(({ sink }) => sinks.includes(sink));
};

describe('no code, session, passkey, key, password, token or contact', () => {
  it('is in Redis, or was ever sent there', () => {
    expect(canary.textOf('keys in Redis')).toMatch(/"name":"create-authenticators"/);
    expect(canary.textOf('sent to Redis')).toMatch(/onboardingId/);
    expect(hitsIn('keys in Redis', 'sent to Redis')).toEqual([]);
  });

  it('is readable in PostgreSQL', async () => {
    const [sealed] = await canary.story.sql<{ count: number }>(
      `SELECT count(sealed_otp_code)::int + count(sealed_authenticators)::int + count(sealed_grant)::int
         + count(sealed_contact)::int AS count FROM onboardings`,
    );
    expect(sealed!.count).toBeGreaterThan(4);
    expect(canary.textOf('rows of PostgreSQL')).toMatch(/attempt_ended/);
    expect(hitsIn('rows of PostgreSQL', 'statements at PostgreSQL')).toEqual([]);
  });

  it('is in the log of a process, at the debug level', () => {
    expect(canary.textOf('log of the service')).toMatch(/"path":"\/v1\/onboardings/);
    expect(hitsIn('log of the service', 'log of the worker', 'log of the console')).toEqual([]);
  });

  it('is in an answer to a caller', () => {
    const told = canary.textOf('error bodies');
    for (const code of [
      'otp_invalid',
      'validation_failed',
      'unauthenticated',
      'attestation_invalid',
      'outcome_unknown',
    ]) {
      expect(told).toContain(`"code":"${code}"`);
    }
    expect(canary.mirror.echoed).toBeGreaterThan(20);
    expect(hitsIn('error bodies', 'answers to their callers', 'answers to other callers')).toEqual([]);
  });

  it('is in metrics or health', () => {
    const sinks = [
      'metrics of the service',
      'metrics of the worker',
      'metrics of the console',
      'health/ready of the service',
      'health/ready of the worker',
      'health/ready of the console',
    ];
    expect(canary.textOf(sinks[0]!)).toContain('gangway_attempt_duration_seconds');
    expect(hitsIn(...sinks)).toEqual([]);
  });

  it('is in a page of the console, in an answer of its queue board, or in the OpenAPI document', () => {
    expect(canary.textOf('queue board')).toMatch(/onboardingId/);
    expect(hitsIn('console', 'queue board', 'contract and its page')).toEqual([]);
  });

  it('is printed by the command line, except the secrets that it creates', () => {
    expect(canary.textOf('command line')).toMatch(/api_key_revoked/);
    expect(hitsIn('command line')).toEqual([]);
  });

  it('is printed by a failed boot, which names variables but no values', () => {
    expect(canary.textOf('output of a boot that failed')).toMatch(/SEALING_KEYS/);
    expect(hitsIn('output of a boot that failed')).toEqual([]);
  });

  it('is in the title or command line of a process', () => {
    expect(hitsIn('process title and command line')).toEqual([]);
  });

  it.each([...CRASHES, 'SIGABRT'])('is left behind by a crash: %s', (way) => {
    const { code, said } = ends.get(way)!;
    expect(code).toBe(way === 'SIGABRT' ? 'SIGABRT' : 1);
    if (way !== 'SIGABRT') expect(said).toMatch(/^gangway crashed: /m);
    if (['exception', 'rejection'].includes(way))
      expect(said).toMatch(/crash of the test\n\s+at errorWithSettings/);
    expect(canary.hunt.in(said)).toEqual([]);
  });

  it('is in Node’s diagnostic report', () => {
    expect(hitsIn("Node's diagnostic report")).toEqual([]);
  });

  it('is in an exported span, or in the headers of upstream requests', () => {
    const spans = canary.textOf('exported spans');
    for (const name of ['gw_claim_verify', 'attempt create-authenticators', 'job init-otp', 'sign']) {
      expect(spans).toContain(name);
    }
    expect(canary.textOf('headers upstream')).not.toContain('traceparent');
    expect(hitsIn('exported spans', 'headers upstream')).toEqual([]);
  });

  it('is in a webhook (none exist yet; if you add one, search it in this test)', () => {
    expect(canary.textOf('contract and its page')).not.toMatch(/webhook|"callbacks"/i);
  });
});

describe('the search for secrets', () => {
  it('knows secrets of every kind, and covers every place where a secret could appear', () => {
    expect([...found.kinds.keys()].toSorted()).toEqual(
      [
        'API key',
        'API key of development',
        'JWT',
        'Redis password',
        'attestation',
        'authorization code',
        'captcha token',
        'client data',
        'client secret',
        'console cookie',
        'contact',
        'credential of AWS',
        'database password',
        'emergency password',
        'form token',
        'hash key',
        'login link',
        'mailed code',
        "onboarding's own key",
        'receiver token',
        'refused token',
        'sealing key',
        'session key',
        'signing key',
        'upstream session',
        'value at boot',
        'verification token',
        'wrong code',
      ].toSorted(),
    );
    expect(found.sinks.filter(({ bytes }) => bytes === 0)).toEqual([]);
    expect(found.finds).toEqual([]);
  });

  it('finds a secret in each of its encodings', () => {
    const secret = 'a secret of 24 characters';
    const one = new SecretHunt().add('secret', secret);
    const forms = [
      `x${secret}y`,
      secret.toUpperCase(),
      Buffer.from(`{"a":"${secret}"}`).toString('base64'),
      Buffer.from(`{"ab":"${secret}"}`).toString('base64url'),
      Buffer.from(`{"abc":"${secret}"}`).toString('base64'),
      Buffer.from(secret).toString('hex'),
      JSON.stringify(Buffer.from(secret)),
      `/x?y=${encodeURIComponent(secret)}`,
    ];
    expect(forms.map((form) => one.in(form).length)).toEqual(forms.map(() => 1));
    const code = new SecretHunt().add('code', '123456');
    expect(['"123456"', ' 123456,', '=123456'].map((text) => code.in(text).length)).toEqual([1, 1, 1]);
    expect(code.in('12:00:00.123456+00 99123456 0123456-7')).toEqual([]);
    const inHex = (text: string) => code.in(Buffer.from(text).toString('hex'));
    expect(inHex('{"otp":"123456"}')).toHaveLength(1);
    // In the key, the digits are part of a longer value. "\x124V" looks like the code only in hex.
    expect(inHex('{"key":"04a123456f"} \x124V')).toEqual([]);
  });
});
