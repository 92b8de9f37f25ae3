import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret, systemClock } from '#libs/kernel';
import { parsePrivateKey } from '#libs/signing';
import { aCall, testConfig, until } from '#libs/testing';
import { ByzantineProvider } from './byzantine/byzantine.provider.js';
import { ClockSkew } from './transport/clock-skew.js';
import { ClockWatch } from './clock-watch.js';
import { endOf } from './fixtures/end-of.js';
import { answering, RawServer } from './fixtures/raw-server.js';
import { GuardedProvider } from './guarded-provider.js';
import { UpstreamHttpClient } from './transport/http-client.js';
import { Integrations } from './integrations.js';
import { SigningKeys } from './transport/signing-keys.js';

const keys = new SigningKeys([parsePrivateKey(new Secret('01'.repeat(32)), 'SPEC')]);
const config = testConfig({ PROBE_EVERY_MS: '20' });

let http: UpstreamHttpClient;
let server: RawServer;
let watch: ClockWatch;
/** How far the provider's clock is ahead. */
let aheadMs = 0;
let extraHeaders = '';
const asked = { steps: 0, probes: 0 };

beforeEach(async () => {
  aheadMs = 0;
  extraHeaders = '';
  Object.assign(asked, { steps: 0, probes: 0 });
  http = new UpstreamHttpClient(config, systemClock);
  server = await RawServer.listen(({ socket, received }) => {
    const probe = received.lastIndexOf('GET /v1/integrator/whoami') > received.lastIndexOf('POST ');
    asked[probe ? 'probes' : 'steps'] += 1;
    const date = new Date(Date.now() + aheadMs).toUTCString();
    const head = `date: ${date}\r\ncontent-type: application/json\r\n${extraHeaders}`;
    socket.write(answering(200, probe ? '{"error":"no"}' : '{"otpId":"otp-1"}', head));
  });
});
afterEach(async () => {
  watch.onApplicationShutdown();
  await http.onApplicationShutdown();
  await server.close();
});

function begin() {
  const skew = new ClockSkew(systemClock, { warnMs: 10_000, stopMs: 30_000 });
  const provider = new ByzantineProvider({ name: 'b', baseUrl: server.url }, keys, http, systemClock, skew);
  const guarded = new GuardedProvider(provider, config, systemClock);
  watch = new ClockWatch(
    new Integrations([{ name: 'b', provider: guarded, skew, keys, config: {} as never }]),
    config,
  );
  watch.onApplicationBootstrap();
  const subject = { accountId: randomUUID(), userId: randomUUID() };
  return { skew, probe: () => provider.probe(aCall()), init: () => provider.initOtp(aCall(), subject) };
}

describe('when the provider’s clock differs', () => {
  it('a second answer with this difference stops the steps, and later probes let them continue', async () => {
    aheadMs = 60_000;
    const { skew, init } = begin();
    await init();
    expect(skew.stops).toBe(false);
    await until('a probe agrees', () => skew.stops);
    expect(await endOf(init())).toMatchObject({
      failure: 'misconfigured',
      message: expect.stringMatching(/^our clock and the provider's are (59|60) s apart$/),
      evidence: { bytesSent: false },
    });
    aheadMs = 0;
    await until('a probe shows that the clocks agree again', () => !skew.stops);
    await init();
    expect(asked.steps).toBe(2);
    const { probes } = asked;
    await init();
    expect(asked.probes).toBe(probes);
  });

  it('a single answer makes the probe fail, but does not stop the steps', async () => {
    const { skew, init, probe } = begin();
    aheadMs = -600_000;
    expect(await endOf(probe())).toMatchObject({ failure: 'misconfigured' });
    expect(skew.stops).toBe(false);
    aheadMs = 0;
    await init();
    expect(skew.lastMs()).toBe(0);
  });

  it('an answer from a cache is not used for the measurement', async () => {
    aheadMs = -600_000;
    extraHeaders = 'age: 600\r\n';
    const { skew, init } = begin();
    for (let n = 0; n < 3; n++) await init();
    expect(skew.lastMs()).toBe(0);
    expect(asked.probes).toBe(0);
  });
});
