import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { byzantineSchemas, type ByzantineOperation } from '#libs/testing';
import { makePasskey } from '../../test/passkey.js';
import { otherThan, sandboxUnderTest } from '../../test/sandbox-under-test.js';
import type { SandboxUnderTest } from '../../test/sandbox-under-test.js';
import type { Answer } from '../../test/integrator.js';

const MINUTE = 60_000;
let t: SandboxUnderTest;
beforeAll(async () => {
  t = await sandboxUnderTest();
});
afterAll(() => t.sandbox.close());

function good(operation: ByzantineOperation, answer: Answer): Record<string, string> {
  expect(answer.status).toBe(200);
  expect(byzantineSchemas.check(operation, 'response', answer.body)).toEqual([]);
  return answer.body as Record<string, string>;
}

function refused(answer: Answer, status: number, error: string): void {
  expect({ status: answer.status, body: answer.body }).toEqual({ status, body: { error, status } });
  expect(byzantineSchemas.check('error', 'response', answer.body)).toEqual([]);
}

function colleagueOf({ accountId }: { accountId: string }) {
  const ids = { accountId, userId: randomUUID() };
  t.sandbox.control.addSubject({ ...ids, email: 'colleague@example.com' });
  return ids;
}

describe('Byzantine’s Integrator API', () => {
  it('mails a code, opens a session for the right code, and stores passkeys in this session', async () => {
    const { ids, email } = t.newSubject();
    expect(byzantineSchemas.check('init-otp', 'request', ids)).toEqual([]);
    const { otpId } = good('init-otp', await t.integrator.submit('init-otp', ids));

    const mails = t.sandbox.control.mails({ email });
    expect(mails).toEqual([
      { otpId, email, code: expect.stringMatching(/^\d{6}$/), at: '2026-11-20T10:00:00.000Z' },
    ]);

    const login = { ...ids, otpId, otpCode: mails[0]?.code };
    expect(byzantineSchemas.check('otp-auth', 'request', login)).toEqual([]);
    const session = good('otp-auth', await t.integrator.submit('otp-auth', login));
    expect(session).toMatchObject({ expiresAt: '2026-11-20T10:15:00.000Z' });

    const authenticators = [makePasskey(), makePasskey({ format: 'packed', algorithm: -257 })];
    const creation = { ...ids, sessionId: session['sessionId'], authenticators };
    expect(byzantineSchemas.check('create-authenticators-otp', 'request', creation)).toEqual([]);
    const created = good(
      'create-authenticators-otp',
      await t.integrator.submit('create-authenticators-otp', creation),
    );
    expect(t.sandbox.control.authenticators(ids.userId)).toMatchObject(
      authenticators.map(({ attestation, authenticatorName }, index) => ({
        authenticatorId: created['authenticatorIds']?.[index],
        authenticatorName,
        credentialId: attestation.credentialId,
        transports: attestation.transports,
        publicKeySpki: expect.stringMatching(/^[\w-]{80,}$/),
      })),
    );
  });

  it('answers health without a signature, and whoami with scope and label of the caller’s key', async () => {
    const unsigned = { headers: { 'x-pubkey': null, 'x-timestamp': null, 'x-signature': null } };
    good('health', await t.integrator.get('/v1/health', unsigned));

    const writer = await t.integrator.get('/v1/integrator/whoami?probe=1');
    expect(writer.body).toEqual({
      integratorId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      accessScope: 'read_write',
      label: 'ci',
      capabilities: { canWrite: true },
    });
    const reader = await t.reader.get('/v1/integrator/whoami');
    expect(reader.body).toMatchObject({
      accessScope: 'read_only',
      label: null,
      capabilities: { canWrite: false },
    });
    refused(await t.integrator.get('/v1/integrator/whoami', unsigned), 400, 'missing X-Pubkey header');
  });
});

describe('a request to Byzantine’s API is refused', () => {
  it('for wrong headers, before its body is read', async () => {
    const broken = '{';
    refused(await t.reader.submit('init-otp', broken), 403, 'credential is read-only');
    refused(
      await t.integrator.submit('init-otp', broken, { signedBody: '{}' }),
      401,
      'invalid request signature',
    );
    const stale = 'request timestamp is outside the allowed window';
    refused(await t.integrator.submit('init-otp', broken, { skewS: -61 }), 401, stale);
    refused(await t.integrator.submit('init-otp', broken, { skewS: 61 }), 401, stale);
    const stranger = { headers: { 'x-pubkey': `0x02${'ab'.repeat(32)}` } };
    refused(await t.integrator.submit('init-otp', broken, stranger), 401, 'unknown public key');
    refused(
      await t.integrator.submit('init-otp', broken, { headers: { 'x-pubkey': null } }),
      400,
      'missing X-Pubkey header',
    );
  });

  it('if its signature does not cover the query', async () => {
    const answer = await t.integrator.get('/v1/integrator/whoami?a=1', {
      signedPath: '/v1/integrator/whoami',
    });
    refused(answer, 401, 'invalid request signature');
  });

  it('for a body of the wrong shape', async () => {
    const { ids } = t.newSubject();
    refused(await t.integrator.submit('init-otp', '{"accountId":'), 400, 'invalid request body: not JSON');
    refused(await t.integrator.submit('init-otp', ''), 400, 'invalid request body: empty');
    const missing = await t.integrator.submit('init-otp', { accountId: ids.accountId });
    expect(missing).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/^invalid request body: userId:/) },
    });
    for (const type of ['text/plain', 'application/json-patch+json', 'application/jsonx']) {
      const typed = await t.integrator.submit('init-otp', ids, { headers: { 'content-type': type } });
      refused(typed, 400, 'expected Content-Type: application/json');
    }
    const loud = { headers: { 'content-type': 'Application/JSON ; Charset=UTF-8' } };
    expect((await t.integrator.submit('init-otp', ids, loud)).status).toBe(200);
  });

  it('with a plain text as answer, if a UUID is malformed', async () => {
    const { ids } = t.newSubject();
    const answer = await t.integrator.submit('init-otp', { ...ids, userId: 'not-a-uuid' });
    expect(answer).toMatchObject({ status: 400, type: 'text/plain; charset=utf-8' });
    expect(answer.body).toBe('Failed to deserialize the JSON body: userId: UUID parsing failed');
  });

  it('for an unknown account or user, in every step', async () => {
    const { ids } = t.newSubject();
    const rest = { otpId: 'x', otpCode: '123456', sessionId: randomUUID(), authenticators: [makePasskey()] };
    for (const step of ['init-otp', 'otp-auth', 'create-authenticators-otp']) {
      const strange = { accountId: randomUUID(), userId: randomUUID() };
      refused(await t.integrator.submit(step, { ...rest, ...strange }), 404, 'account not found');
      const strangeUser = { ...ids, userId: randomUUID() };
      refused(await t.integrator.submit(step, { ...rest, ...strangeUser }), 404, 'user not found');
    }
  });

  it('if its path is unknown', async () => {
    expect(await t.integrator.get('/v1/nothing')).toMatchObject({ status: 404, body: { status: 404 } });
  });
});

describe('a code', () => {
  const login = (ids: object, otpId: string, otpCode: string) =>
    t.integrator.submit('otp-auth', { ...ids, otpId, otpCode });

  it('is locked after three wrong tries, and a new code works', async () => {
    const { ids, email, otpId, code } = await t.mailed();
    for (let miss = 0; miss < 3; miss += 1)
      refused(await login(ids, otpId, otherThan(code)), 400, 'invalid OTP code');
    refused(await login(ids, otpId, code), 400, 'OTP code is locked: too many attempts');

    await t.integrator.submit('init-otp', ids);
    const next = t.sandbox.control.mails({ email })[0];
    expect(next?.otpId).not.toBe(otpId);
    good('otp-auth', await login(ids, next?.otpId ?? '', next?.code ?? ''));
  });

  it('can be used only once', async () => {
    const { ids, otpId, code } = await t.mailed();
    good('otp-auth', await login(ids, otpId, code));
    refused(await login(ids, otpId, code), 400, 'OTP code already used');
  });

  it('expires after five minutes', async () => {
    const [first, second] = [await t.mailed(), await t.mailed()];
    t.clock.pass(5 * MINUTE - 1);
    good('otp-auth', await login(first.ids, first.otpId, first.code));
    t.clock.pass(1);
    refused(await login(second.ids, second.otpId, second.code), 400, 'OTP code expired');
  });

  it('is refused for another user', async () => {
    const [mine, other] = [await t.mailed(), t.newSubject()];
    refused(await login(other.ids, mine.otpId, mine.code), 400, 'OTP not found');
    refused(await login(mine.ids, 'unheard-of', mine.code), 400, 'OTP not found');
    refused(await login(colleagueOf(mine.ids), mine.otpId, mine.code), 400, 'OTP not found');
  });

  it('expires if three newer codes are sent, and the newer codes stay valid', async () => {
    const { ids, email } = t.newSubject();
    for (let send = 0; send < 4; send += 1) await t.integrator.submit('init-otp', ids);
    const [, , third, oldest] = t.sandbox.control.mails({ email });
    refused(await login(ids, oldest?.otpId ?? '', oldest?.code ?? ''), 400, 'OTP code expired');
    good('otp-auth', await login(ids, third?.otpId ?? '', third?.code ?? ''));
  });
});

describe('passkeys', () => {
  const create = (ids: object, sessionId: string, ...authenticators: object[]) =>
    t.integrator.submit('create-authenticators-otp', { ...ids, sessionId, authenticators });
  const countOf = (ids: { userId: string }) => t.sandbox.control.authenticators(ids.userId).length;

  it('are accepted only with an open session of the same account and user', async () => {
    const [mine, other] = [await t.loggedIn(), await t.loggedIn()];
    refused(await create(mine.ids, other.sessionId, makePasskey()), 404, 'session not found');
    refused(await create(mine.ids, randomUUID(), makePasskey()), 404, 'session not found');
    const colleague = colleagueOf(mine.ids);
    refused(await create(colleague, mine.sessionId, makePasskey()), 404, 'session not found');
    t.clock.pass(15 * MINUTE - 1);
    good('create-authenticators-otp', await create(mine.ids, mine.sessionId, makePasskey()));
    t.clock.pass(1);
    refused(await create(mine.ids, mine.sessionId, makePasskey()), 400, 'session expired');
  });

  it('are all refused if one is invalid', async () => {
    const { ids, sessionId } = await t.loggedIn();
    const bad = makePasskey({ challengeInClientData: 'AAAA' });
    refused(
      await create(ids, sessionId, makePasskey(), bad),
      400,
      'invalid authenticator attestation: challenge does not match the client data',
    );
    expect(countOf(ids)).toBe(0);
    refused(await create(ids, sessionId), 400, 'at least one authenticator is required');
  });

  it('are refused if the same or another user has registered them', async () => {
    const [mine, other] = [await t.loggedIn(), await t.loggedIn()];
    const passkey = makePasskey();
    refused(await create(mine.ids, mine.sessionId, passkey, passkey), 400, 'credential already registered');
    good('create-authenticators-otp', await create(mine.ids, mine.sessionId, passkey));
    refused(await create(mine.ids, mine.sessionId, passkey), 400, 'credential already registered');
    refused(await create(other.ids, other.sessionId, passkey), 400, 'credential already registered');
    expect([countOf(mine.ids), countOf(other.ids)]).toEqual([1, 0]);
  });

  it('are limited to ten per user', async () => {
    const { ids, sessionId } = await t.loggedIn();
    const nine = Array.from({ length: 9 }, () => makePasskey());
    good('create-authenticators-otp', await create(ids, sessionId, ...nine));
    const tooMany = 'maximum number of authenticators reached';
    refused(await create(ids, sessionId, makePasskey(), makePasskey()), 400, tooMany);
    good('create-authenticators-otp', await create(ids, sessionId, makePasskey()));
    refused(await create(ids, sessionId, makePasskey()), 400, tooMany);
  });

  it('are refused if one of their transports is unknown', async () => {
    const { ids, sessionId } = await t.loggedIn();
    const passkey = makePasskey();
    passkey.attestation.transports = ['internal'];
    const answer = await create(ids, sessionId, passkey);
    expect(answer).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/authenticators\.0\.attestation\.transports\.0/) },
    });
  });
});

describe('the options of a sandbox', () => {
  it('can make the sandbox accept unknown users, and let codes and sessions expire earlier', async () => {
    const other = await sandboxUnderTest({ acceptAnySubject: true, codeLifeMs: 1000, sessionLifeMs: 2000 });
    try {
      const ids = { accountId: randomUUID(), userId: randomUUID() };
      good('init-otp', await other.integrator.submit('init-otp', ids));
      const [mail] = other.sandbox.control.mails({ email: `${ids.userId}@sandbox.example` });
      const login = { ...ids, otpId: mail?.otpId, otpCode: mail?.code };
      const session = good('otp-auth', await other.integrator.submit('otp-auth', login));
      expect(session['expiresAt']).toBe('2026-11-20T10:00:02.000Z');

      good('init-otp', await other.integrator.submit('init-otp', ids));
      other.clock.pass(1000);
      const late = other.sandbox.control.mails()[0];
      refused(
        await other.integrator.submit('otp-auth', { ...ids, otpId: late?.otpId, otpCode: late?.code }),
        400,
        'OTP code expired',
      );
    } finally {
      await other.sandbox.close();
    }
  });

  it('need not contain a key: without one, the sandbox makes a new key pair', async () => {
    const { startSandbox } = await import('../sandbox.js');
    const { Integrator } = await import('../../test/integrator.js');
    const sandbox = await startSandbox();
    try {
      const integrator = new Integrator(sandbox.url, sandbox.credential?.privateKeyHex ?? '');
      expect(integrator.pubkey).toBe(sandbox.credential?.pubkey);
      expect(await integrator.get('/v1/integrator/whoami')).toMatchObject({ status: 200 });
    } finally {
      await sandbox.close();
    }
  });
});
