import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { testDatabaseUrl, until } from '#libs/testing';
import { openGate, type Gate } from './gate.js';
import { DONE_STATE, STEPS, StepUnderTest, WAITING_STATE } from './step-under-test.js';
import { Story } from './story.js';

/** PostgreSQL answers after twice as long: later than a claim may be sent. */
const SLOW_MS = 600;

let gate: Gate;
let story: Story;
beforeEach(async () => {
  const url = new URL(await testDatabaseUrl());
  gate = await openGate(url.href);
  [url.hostname, url.port] = ['127.0.0.1', String(gate.port)];
  story = await Story.begin({
    worker: false,
    env: { DATABASE_URL: url.href, CLAIM_MAX_AGE_MS: '1100', RETRY_FLOOR_MS: '300', RETRY_CAP_MS: '300' },
  });
});
afterEach(async () => {
  gate.slow(0);
  await story.end();
  await gate.bar();
});

describe('a claim whose acknowledgement comes late', () => {
  it.each(STEPS)('is not sent, costs nothing, and is made again later: %s', async (step) => {
    const at = await StepUnderTest.before(story, step);
    // Connections are made in time: only what goes through them is slow.
    await Promise.all(Array.from({ length: 4 }, () => story.call('GET', '/v1/onboardings')));
    gate.slow(SLOW_MS);
    const { status, body } = await at.submit({ headers: { prefer: 'wait=2' } });
    gate.slow(0);
    expect([status, body.state]).toEqual([202, WAITING_STATE[step]]);
    await until('the attempt has ended', async () => (await at.attempts()).length > 0);
    expect(await at.attempts()).toEqual(['not_sent']);
    expect(at.calls).toBe(0);
    const { otp, unresolved } = (await story.get(at.id)).body;
    expect(unresolved).toBeNull();
    if (step === 'init-otp') expect(otp.sends).toBe(0);
    if (step === 'verify-otp') expect(otp.attemptsLeft).toBe(3);

    await story.startWorker();
    await at.until(DONE_STATE[step]);
    expect(at.calls).toBe(1);
  });
});
