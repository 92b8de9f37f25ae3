import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret, systemClock } from '#libs/kernel';
import { parsePrivateKey } from '#libs/signing';
import { aCall, testConfig } from '#libs/testing';
import { ByzantineProvider } from './byzantine/byzantine.provider.js';
import { ClockSkew } from './transport/clock-skew.js';
import { endOf } from './fixtures/end-of.js';
import { RawServer, answering } from './fixtures/raw-server.js';
import { RecordingClient } from './fixtures/recording-client.js';
import { SigningKeys } from './transport/signing-keys.js';
import { TurnkeyProvider } from './turnkey/turnkey.provider.js';
import type { Call } from './port/upstream-provider.js';

const JSON_TYPE = 'content-type: application/json\r\n';
let http: RecordingClient;
let server: RawServer;
beforeEach(() => {
  http = new RecordingClient(testConfig(), systemClock);
});
afterEach(async () => {
  await http.onApplicationShutdown();
  await server.close();
});

const signerOf = (byte: string) => parsePrivateKey(new Secret(byte.repeat(32)), 'SPEC');
const bothKeys = () => new SigningKeys([signerOf('01'), signerOf('02')]);

const CLIENTS = {
  byzantine: (keys: SigningKeys) => {
    const provider = new ByzantineProvider(
      { name: 'b', baseUrl: server.url },
      keys,
      http,
      systemClock,
      new ClockSkew(systemClock),
    );
    const subject = { accountId: randomUUID(), userId: randomUUID() };
    return (call: Call) => provider.initOtp(call, subject);
  },
  turnkey: (keys: SigningKeys) => {
    const settings = { custody: 'server', initOtp: 'V1', otpDefaults: {}, sessionLifeS: 900 } as const;
    const provider = new TurnkeyProvider(
      { name: 't', baseUrl: server.url, organizationId: randomUUID(), appName: 'Acme', ...settings },
      keys,
      { http, clock: systemClock, skew: new ClockSkew(systemClock) },
    );
    const contact = { type: 'email', value: 'ana@example.com' };
    return (call: Call) => provider.initOtp(call, { contact }, {});
  },
};

/** Gives these answers in order. For null, and after the last one, the server disconnects. */
const listen = async (...answers: (string | null)[]) => {
  server = await RawServer.listen(({ socket }, count) => {
    const answer = answers[count - 1] ?? null;
    if (answer === null) socket.destroy();
    else socket.write(answer);
  });
};
const refusal = (status: number, code = '') =>
  answering(status, JSON.stringify({ message: '', details: [{ turnkeyErrorCode: code }] }), JSON_TYPE);

describe.each(Object.entries(CLIENTS))(
  'a client of %s, which refuses one of the two keys,',
  (_, clientWith) => {
    it('sends the same body again, signed with the other key', async () => {
      await listen(refusal(401), answering(404, '{}', JSON_TYPE));
      expect(await endOf(clientWith(bothKeys())(aCall()))).toHaveProperty('evidence.status', 404);
      const [first, second] = http.sent;
      expect(http.sent).toHaveLength(2);
      expect(second!.body).toBe(first!.body);
      expect(second!.headers).not.toEqual(first!.headers);
    });

    it('reports not_sent if beforeSend throws for the second request', async () => {
      await listen(refusal(401));
      let sent = 0;
      const beforeSend = () => {
        if (++sent > 1) throw new Error('the claim is too old to send');
      };
      expect(await endOf(clientWith(bothKeys())(aCall({ beforeSend })))).toMatchObject({
        failure: 'not_sent',
        heldBack: true,
        message: 'the claim is too old to send',
      });
      expect(server.requests).toBe(1);
    });

    it('reports no_answer if the second request is cut off', async () => {
      await listen(refusal(401), null);
      expect(await endOf(clientWith(bothKeys())(aCall()))).toMatchObject({
        failure: 'no_answer',
        evidence: { bytesSent: true },
      });
      expect(server.requests).toBe(2);
    });

    it('reports misconfigured if the other key is refused too', async () => {
      await listen(refusal(401), refusal(401));
      expect(await endOf(clientWith(bothKeys())(aCall()))).toMatchObject({ failure: 'misconfigured' });
      expect(server.requests).toBe(2);
    });

    it('gives the second request only the time left until the deadline', async () => {
      server = await RawServer.listen(({ socket }, count) => {
        if (count === 1) setTimeout(() => socket.write(refusal(401)), 100);
        else socket.write(answering(404, '{}', JSON_TYPE));
      });
      const end = await endOf(clientWith(bothKeys())(aCall({ timeoutMs: 20_000 })));
      expect(end).toHaveProperty('evidence.status', 404);
      const [first, second] = http.timeoutsMs;
      expect(first).toBeLessThanOrEqual(20_000);
      // Node.js's timers may fire up to a millisecond early.
      expect(second).toBeLessThanOrEqual(first! - 99);
    });
  },
);

describe('a client with two keys', () => {
  it.each([
    [401, 'PUBLIC_KEY_NOT_FOUND', 2],
    [403, 'API_KEY_EXPIRED', 2],
    [403, 'REQUEST_NOT_AUTHORIZED', 1],
    [403, '', 1],
    [401, 'ORGANIZATION_NOT_FOUND', 1],
    [400, 'PUBLIC_KEY_NOT_FOUND', 1],
  ])('after Turnkey’s answer %d %s, makes this number of requests: %d', async (status, code, requests) => {
    await listen(refusal(status, code), refusal(status, code));
    await endOf(CLIENTS.turnkey(bothKeys())(aCall()));
    expect(server.requests).toBe(requests);
  });

  it('does not try the second key after a 401 of Byzantine about the account', async () => {
    await listen(answering(401, '{"error":"Account does not belong to integrator"}', JSON_TYPE));
    expect(await endOf(CLIENTS.byzantine(bothKeys())(aCall()))).toHaveProperty('reason', 'subject_not_found');
    expect(server.requests).toBe(1);
  });

  it.each([
    [401, 2],
    [403, 2],
    [400, 1],
    [500, 1],
  ])('after a %d of Byzantine, makes this number of requests: %d', async (status, requests) => {
    await listen(refusal(status), refusal(status));
    await endOf(CLIENTS.byzantine(bothKeys())(aCall()));
    expect(server.requests).toBe(requests);
  });
});
