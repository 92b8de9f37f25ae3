import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import {
  DONE_STATE,
  STEPS,
  StepUnderTest,
  WAITING_STATE,
  type Fault,
} from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';

jest.setTimeout(240_000);

const OUR_FAULT: Record<string, Fault> = {
  '401': { status: 401 },
  '403': { status: 403 },
  'a redirect': { status: 307 },
  'a 400 for a missing header': { status: 400, body: { error: 'missing X-Signature header', status: 400 } },
};

const CASES = STEPS.flatMap((step) =>
  Object.entries(OUR_FAULT).map(([meets, fault]) => ({ step, meets, fault })),
);

describe('a misconfigured integration', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({ env: { PROBE_EVERY_MS: '100', SWEEP_EVERY_MS: '100' } });
  });
  afterAll(() => story.end());

  const probes = () => story.sandbox.control.requests({ route: 'whoami' }).length;

  it.each(CASES)('parks the onboarding until the probe succeeds: $step, $meets', async ({ step, fault }) => {
    const broken = story.sandbox.control.addFault({ route: 'whoami', status: 401, times: 0 });
    const at = await StepUnderTest.before(story, step);
    const answer = await at.strike(fault).submit();
    expect(answer.status).toBe(202);
    expect(answer.body).toMatchObject({
      state: WAITING_STATE[step],
      nextAction: { type: 'wait', until: null },
      lastResult: { step, code: 'upstream_misconfigured' },
      parked: { reason: 'upstream_misconfigured', since: expect.any(String) },
      unresolved: null,
    });

    // A second call would succeed, but a parked onboarding gets none.
    const before = probes();
    await at.until(() => probes() >= before + 3);
    expect(at.calls).toBe(1);
    expect((await story.get(at.id)).body.parked).not.toBeNull();

    story.sandbox.control.removeFaults(broken.id);
    const done = await at.until(DONE_STATE[step]);
    expect(done).toMatchObject({ parked: null, lastResult: null });
    expect(at.calls).toBe(2);
    const types = (await at.events()).map(({ type }) => type);
    expect(types.filter((type) => type === 'parked' || type === 'unparked')).toEqual(['parked', 'unparked']);
  });

  it.each([404, 405, 503])(
    'lets onboardings continue if a probe gets %d, which tells nothing about our key',
    async (status) => {
      const useless = story.sandbox.control.addFault({ route: 'whoami', status, times: 0 });
      const at = await StepUnderTest.before(story, 'init-otp');
      at.strike({ status: 401, body: { error: 'unknown public key', status: 401 }, times: 2 });
      expect((await at.submit()).body.parked).not.toBeNull();
      await at.until('otp_sent');
      expect(at.calls).toBe(3);
      story.sandbox.control.removeFaults(useless.id);
    },
  );

  it.each([401, 403])('is not assumed if the provider answers %d for one user only', async (status) => {
    await story.sent();
    const at = await StepUnderTest.before(story, 'init-otp');
    const answer = await at.strike({ status, times: 0 }).submit();
    expect(answer).toMatchObject({ status: 422, body: { code: 'upstream_rejected' } });
    expect(at.calls).toBe(2);
    expect((await story.get(at.id)).body).toMatchObject({ state: 'failed', parked: null });
  });

  it('leaves a cancelled onboarding cancelled when other onboardings are unparked', async () => {
    const broken = story.sandbox.control.addFault({ route: 'whoami', status: 401, times: 0 });
    const at = await StepUnderTest.before(story, 'init-otp');
    await at.strike({ status: 401 }).submit();
    expect((await story.cancel(at.id)).body).toMatchObject({ state: 'cancelled', parked: null });
    story.sandbox.control.removeFaults(broken.id);
    const other = await StepUnderTest.before(story, 'init-otp');
    await other.strike({ status: 401 }).submit();
    await other.until('otp_sent');
    expect(at.calls).toBe(1);
  });
});

describe('a redirect', () => {
  let story: Story;
  let elsewhere: Server;
  beforeAll(async () => {
    story = await Story.begin({ worker: false });
    elsewhere = createServer((request, response) =>
      response.writeHead(308, { location: story.sandbox.url + request.url }).end(),
    ).listen(0, '127.0.0.1');
    await once(elsewhere, 'listening');
  });
  afterAll(async () => {
    elsewhere.close();
    elsewhere.closeAllConnections();
    await story.end();
  });

  it('is never followed: a signed request goes to no other host', async () => {
    const url = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    const replica = await story.startService({ INTEGRATION_BYZANTINE_BASE_URL: url });
    const at = await StepUnderTest.before(story, 'init-otp');
    expect((await at.submit({ at: replica.url })).body.parked).toMatchObject({
      reason: 'upstream_misconfigured',
    });
    expect(at.calls).toBe(0);
  });
});

describe('an integration that is removed from the configuration', () => {
  let story: Story;
  beforeAll(async () => {
    const other = Object.entries({
      PROVIDER: 'byzantine',
      RP_ID: 'other.example.com',
      RP_NAME: 'Other',
      ORIGINS: 'https://other.example.com',
    });
    story = await Story.begin({
      worker: false,
      env: {
        PROBE_EVERY_MS: '100',
        SWEEP_EVERY_MS: '100',
        ...Object.fromEntries(other.map(([name, value]) => [`INTEGRATION_OTHER_${name}`, value])),
      },
    });
  });
  afterAll(() => story.end());

  it('parks its onboardings, and lets them continue when it is back', async () => {
    const lacking = {
      INTEGRATIONS: 'other',
      INTEGRATION_OTHER_BASE_URL: story.sandbox.url,
      INTEGRATION_OTHER_PRIVATE_KEY: story.sandbox.credential!.privateKeyHex,
    };
    const replica = await story.startService(lacking);
    const verify = await StepUnderTest.before(story, 'verify-otp');
    expect(await verify.submit({ at: replica.url })).toMatchObject({
      status: 202,
      body: { state: 'otp_submitted', parked: { reason: 'integration_missing' } },
    });

    const worker = await story.startWorker(lacking);
    const retried = await Promise.all(STEPS.map((step) => StepUnderTest.before(story, step)));
    for (const at of retried) {
      await at.strike({ status: 503 }).submit({ headers: { prefer: 'wait=0' } });
      const { parked, lastResult } = await at.until((each) => each.parked !== null);
      expect(parked!.reason).toBe('integration_missing');
      expect(lastResult!.code).toBe('upstream_misconfigured');
    }
    await worker.close();

    await story.startWorker();
    for (const at of [verify, ...retried]) await at.until(DONE_STATE[at.step]);
    // Attempts without a call have used up no sends.
    expect((await story.get(retried[0]!.id)).body.otp.sends).toBe(2);
  });
});
