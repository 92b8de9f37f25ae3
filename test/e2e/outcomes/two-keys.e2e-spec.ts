import { createECDH } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import type { JournalEntry } from '../../../apps/sandbox/src/control/journal.js';
import { metricsAt, readyAt } from '../../support/health.js';
import { Story } from '../../support/story.js';
import { DONE_STATE, STEPS, StepUnderTest, type Fault } from '../../support/step-under-test.js';
import { Person, throughDoor } from '../../support/turnkey-door.js';

function newKey() {
  const ecdh = createECDH('prime256v1');
  ecdh.generateKeys();
  return {
    privateKey: ecdh.getPrivateKey('hex').padStart(64, '0'),
    publicKey: ecdh.getPublicKey('hex', 'compressed'),
  };
}
const old = newKey();
const fresh = newKey();

const keyOf = ({ headers }: JournalEntry) => headers.pubkey?.replace(/^0x/, '');

describe('Byzantine, while our keys are rotated', () => {
  let story: Story;
  const register = (...keys: { publicKey: string }[]) =>
    story.sandbox.control.registerKeys(keys.map(({ publicKey }) => `0x${publicKey}`));

  beforeAll(async () => {
    story = await Story.begin({
      sandbox: { pubkeys: [`0x${old.publicKey}`] },
      env: {
        INTEGRATION_BYZANTINE_PRIVATE_KEY: old.privateKey,
        INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY: fresh.privateKey,
        PROBE_EVERY_MS: '100',
        SWEEP_EVERY_MS: '100',
      },
    });
  });
  afterEach(() => {
    story.sandbox.control.removeFaults();
    register(old, fresh);
  });
  afterAll(() => story.end());

  const parked = async () =>
    (await story.sql<{ count: string }>("SELECT count(*) FROM onboarding_events WHERE type = 'parked'"))[0]!
      .count;
  const metric = async () => {
    const name = 'gangway_signing_key_in_use{integration="byzantine"} ';
    return (await metricsAt(story.serviceUrl, name))[0]?.slice(name.length);
  };

  it('accepts all steps under load: no onboarding is parked, and no effect happens twice', async () => {
    register(old, fresh);
    const before = await parked();
    let stop = false;
    const finished: string[] = [];
    const walk = async () => {
      while (!stop) {
        const { id, subject } = await story.verified();
        const { body } = await story.register(id, [await story.passkey(id)]);
        expect(body.state).toBe('completed');
        expect(story.sandbox.control.authenticators(subject.userId)).toHaveLength(1);
        expect(story.sandbox.control.mails({ email: subject.email })).toHaveLength(1);
        finished.push(id);
      }
    };
    const walkers = [walk(), walk(), walk(), walk()];
    const some = async (more: number) => {
      const from = finished.length;
      await until('some more are completed', () => finished.length >= from + more);
    };
    await some(4);
    expect(await metric()).toBe('1');
    register(fresh); // the provider removes the old key
    await some(8);
    expect(await metric()).toBe('2');
    register(old); // the provider removes the new key again, which should not happen in practice
    await some(8);
    expect(await metric()).toBe('1');
    stop = true;
    await Promise.all(walkers);
    expect(await parked()).toBe(before);
    const health = await readyAt(story.serviceUrl);
    expect(health.body.checks['upstream byzantine']).toEqual({
      status: 'up',
      detail: expect.stringMatching(/^signs with key 1 of 2, [0-9a-f]{16}$/),
    });
  });

  it.each(STEPS)('makes the service park the onboarding while it refuses both keys: %s', async (step) => {
    const at = await StepUnderTest.before(story, step);
    register(newKey());
    const { status, body } = await at.submit();
    expect(status).toBe(202);
    expect(body.parked).toMatchObject({ reason: 'upstream_misconfigured' });
    register(fresh);
    await at.until(DONE_STATE[step]);
    expect(await at.attempts()).toEqual(['misconfigured', 'ok']);
  });
});

describe('an attempt that may have had an effect', () => {
  let story: Story;
  beforeAll(async () => {
    // Without a worker, all calls of a step belong to its first attempt.
    story = await Story.begin({
      worker: false,
      sandbox: { pubkeys: [old, fresh].map(({ publicKey }) => `0x${publicKey}`) },
      env: {
        INTEGRATION_BYZANTINE_PRIVATE_KEY: old.privateKey,
        INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY: fresh.privateKey,
      },
    });
  });
  afterAll(() => story.end());

  const FAULTS: [string, Fault][] = [
    ['a 500 after the effect', { status: 500, afterEffect: true }],
    ['a 503', { status: 503 }],
    ['a cut after the effect', { cut: 'after' }],
    ['half an answer', { cut: 'mid-response' }],
    ['a 408', { status: 408, afterEffect: true }],
    ['a 400', { status: 400, body: { error: 'some new text' } }],
  ];
  it.each(STEPS.flatMap((step) => FAULTS.map(([what, fault]) => ({ step, what, fault }))))(
    'is not repeated with the other key: $step, after $what',
    async ({ step, fault }) => {
      const at = await StepUnderTest.before(story, step);
      await at.strike({ ...fault, times: 0 }).submit({ headers: { prefer: 'wait=0' } });
      await at.until((each) => each.lastResult !== null || each.failure !== null);
      expect(at.journal().map(keyOf)).toEqual([old.publicKey]);
      story.sandbox.control.removeFaults();
    },
  );
});

describe('Turnkey, while our keys are rotated', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({
      sandbox: { turnkey: { apiPublicKeys: [old.publicKey] } },
      env: (sandbox) => ({
        ...throughDoor('turnkey')(sandbox),
        INTEGRATION_TURNKEY_PRIVATE_KEY: old.privateKey,
        INTEGRATION_TURNKEY_SECOND_PRIVATE_KEY: fresh.privateKey,
      }),
    });
  });
  afterAll(() => story.end());

  it('treats the same body, signed with the other key, as the same activity', async () => {
    const { control } = story.sandbox;
    const person = new Person(story);
    control.addFault({ route: 'init_otp', status: 503, afterEffect: true });
    const starting = person.start({});
    await until('the first has arrived', () => control.requests({ route: 'init_otp' }).length > 0);
    control.registerTurnkeyKeys([fresh.publicKey]);
    const { body } = await starting;
    await story.until(body.id, 'otp_sent');
    const sent = control.requests({ route: 'init_otp' });
    expect(sent.map(keyOf)).toEqual([old.publicKey, old.publicKey, fresh.publicKey]);
    // Another body would have been another activity, and sent another mail.
    expect(control.mails({ email: person.email })).toHaveLength(1);

    expect((await story.verify(body.id, person.code())).body.state).toBe('otp_verified');
    const done = await story.register(body.id, [await story.passkey(body.id)]);
    expect(done.body.state).toBe('completed');
    const refused = control.requests().filter(({ answer }) => answer === 401);
    // Service and worker have each tried the refused key once.
    expect(refused.map(({ route }) => route)).toEqual(['init_otp', 'verify_otp']);
  });
});
