import { randomUUID } from 'node:crypto';
import { afterAll, beforeEach, beforeAll, describe, expect, it } from '@jest/globals';
import { makePasskey } from '../../test/passkey.js';
import { otherThan, sandboxUnderTest } from '../../test/sandbox-under-test.js';
import type { SandboxUnderTest } from '../../test/sandbox-under-test.js';
import { BoundedLog } from './bounded-log.js';

let t: SandboxUnderTest;
beforeAll(async () => {
  t = await sandboxUnderTest();
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

describe('/_sandbox/subjects', () => {
  it('registers a subject, and changes its address', async () => {
    const subject = { accountId: randomUUID(), userId: randomUUID(), email: 'ana@example.com' };
    const { email, ...ids } = subject;
    expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status: 404 });
    expect(await t.control('POST', 'subjects', subject)).toEqual({ status: 201, body: subject });
    await t.control('POST', 'subjects', { ...subject, email: 'ana@example.org' });
    expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status: 200 });
    expect(await t.control('GET', `mailbox?email=${email}`)).toEqual({ status: 200, body: [] });
    expect((await t.control('GET', 'mailbox?email=ANA@example.org')).body).toHaveLength(1);
  });

  it('refuses a malformed subject and names the field', async () => {
    const good = { accountId: randomUUID(), userId: randomUUID(), email: 'ana@example.com' };
    for (const field of Object.keys(good)) {
      const answer = await t.control('POST', 'subjects', { ...good, [field]: 'x' });
      expect(answer).toMatchObject({
        status: 400,
        body: { error: expect.stringContaining(field), status: 400 },
      });
    }
  });
});

describe('/_sandbox/mailbox', () => {
  it('shows the mails to an address, newest first, or the mail with an otpId', async () => {
    const { ids, email } = t.newSubject();
    const first = (await t.integrator.submit('init-otp', ids)).body as { otpId: string };
    const second = (await t.integrator.submit('init-otp', ids)).body as { otpId: string };
    const other = await t.mailed();

    const mine = await t.control('GET', `mailbox?email=${email}`);
    expect(mine.body).toMatchObject([{ otpId: second.otpId }, { otpId: first.otpId }]);
    const one = await t.control('GET', `mailbox?otpId=${other.otpId}`);
    expect(one.body).toEqual([
      { otpId: other.otpId, email: other.email, code: other.code, at: '2026-11-20T10:00:00.000Z' },
    ]);
  });
});

describe('/_sandbox/journal', () => {
  it('lists all requests of a user, without code or session', async () => {
    const { ids, email, otpId, code } = await t.mailed();
    await t.integrator.submit('otp-auth', { ...ids, otpId, otpCode: otherThan(code) });
    const login = (await t.integrator.submit('otp-auth', { ...ids, otpId, otpCode: code })).body as Record<
      string,
      string
    >;
    const passkey = makePasskey();
    const creation = { ...ids, sessionId: login['sessionId'], authenticators: [passkey] };
    await t.integrator.submit('create-authenticators-otp', creation);
    await t.mailed();

    const { body } = await t.control('GET', `journal?userId=${ids.userId}`);
    const common = {
      at: '2026-11-20T10:00:00.000Z',
      method: 'POST',
      ...ids,
      headers: { pubkey: t.integrator.pubkey, timestampSkewMs: 0, signatureOk: true, requestId: null },
      answeredAt: '2026-11-20T10:00:00.000Z',
      fault: null,
    };
    const credentialIds = [passkey.attestation.credentialId];
    expect(body).toEqual([
      { ...common, seq: 1, route: 'init-otp', otpId: null, effect: { type: 'otp_sent', otpId }, answer: 200 },
      {
        ...common,
        seq: 2,
        route: 'otp-auth',
        otpId,
        effect: { type: 'otp_missed', otpId, triesLeft: 2 },
        answer: 400,
      },
      {
        ...common,
        seq: 3,
        route: 'otp-auth',
        otpId,
        effect: { type: 'session_opened', otpId, expiresAt: '2026-11-20T10:15:00.000Z' },
        answer: 200,
      },
      {
        ...common,
        seq: 4,
        route: 'create-authenticators-otp',
        otpId: null,
        effect: { type: 'authenticators_created', authenticatorIds: [expect.any(String)], credentialIds },
        answer: 200,
      },
    ]);
    const text = JSON.stringify(body);
    for (const secret of [`"${code}"`, login['session'] ?? '', login['sessionId'] ?? '', email]) {
      expect(text).not.toContain(secret);
    }
    expect((await t.control('GET', 'journal?route=init-otp')).body).toHaveLength(2);
  });

  it('shows what was wrong with the headers', async () => {
    await t.integrator.submit('init-otp', 'no json', { signedBody: 'other', skewS: -7 });
    expect((await t.control('GET', 'journal')).body).toMatchObject([
      { userId: null, headers: { timestampSkewMs: -7000, signatureOk: false }, answer: 401, effect: null },
    ]);
  });

  it('does not list requests to control routes', async () => {
    await t.control('GET', 'mailbox');
    expect((await t.control('GET', 'journal')).body).toEqual([]);
  });
});

describe('/_sandbox/clock', () => {
  it('moves the expiry of codes, the accepted X-Timestamp and the Date header together', async () => {
    const { ids, otpId, code } = await t.mailed();
    expect((await t.control('POST', 'clock', { advanceMs: 300_000 })).body).toEqual({
      now: '2026-11-20T10:05:00.000Z',
      headerNow: '2026-11-20T10:05:00.000Z',
    });
    const login = { ...ids, otpId, otpCode: code };
    const stale = await t.integrator.submit('otp-auth', login);
    expect(stale).toMatchObject({ status: 401 });
    expect(stale.headers.get('date')).toBe('Fri, 20 Nov 2026 10:05:00 GMT');
    const late = await t.integrator.submit('otp-auth', login, { skewS: 300 });
    expect(late).toMatchObject({ status: 400, body: { error: 'OTP code expired' } });
  });

  it('moves only the expiry of codes if livesOnly is set, so that signatures stay valid', async () => {
    const { ids, otpId, code } = await t.mailed();
    expect((await t.control('POST', 'clock', { advanceMs: 300_000, livesOnly: true })).body).toEqual({
      now: '2026-11-20T10:05:00.000Z',
      headerNow: '2026-11-20T10:00:00.000Z',
    });
    const late = await t.integrator.submit('otp-auth', { ...ids, otpId, otpCode: code });
    expect(late).toMatchObject({ status: 400, body: { error: 'OTP code expired' } });
  });

  it.each([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, -2_000_000_000_000, 300_000_000_000_000])(
    'refuses a move of %d ms, which would end outside the years 1970 to 9999',
    async (advanceMs) => {
      const answer = await t.control('POST', 'clock', { advanceMs });
      expect(answer).toMatchObject({ status: 400, body: { error: expect.stringContaining('advanceMs') } });
      const { body } = await t.control('POST', 'clock', { advanceMs: 0 });
      expect(body).toMatchObject({ now: '2026-11-20T10:00:00.000Z' });
    },
  );

  it('refuses an advanceMs that is not a number', async () => {
    const answer = await t.control('POST', 'clock', { advanceMs: 'soon' });
    expect(answer).toMatchObject({ status: 400, body: { error: expect.stringContaining('advanceMs') } });
  });
});

describe('a parameter that is given twice', () => {
  it.each([
    ['mailbox', 'email'],
    ['mailbox', 'otpId'],
    ['journal', 'userId'],
    ['glance', 'address'],
    ['authenticators', 'userId'],
  ])('is refused by /_sandbox/%s, and the error names the parameter: %s', async (path, name) => {
    const answer = await t.control('GET', `${path}?${name}=a&${name}=b`);
    expect(answer).toMatchObject({ status: 400, body: { error: `${name}: give it once` } });
  });
});

describe('/_sandbox/faults', () => {
  it('lists pending faults, and deletes them', async () => {
    const outage = await t.control('POST', 'faults', { route: 'otp-auth', status: 503, times: 0 });
    const cut = await t.control('POST', 'faults', { route: 'init-otp', cut: 'after', times: 2 });
    expect(outage).toMatchObject({ status: 201, body: { remaining: null, effectFirst: false } });
    expect(cut.body).toMatchObject({ remaining: 2, effectFirst: true });
    expect((await t.control('GET', 'faults')).body).toEqual([outage.body, cut.body]);

    const { id } = outage.body as { id: number };
    expect((await t.control('DELETE', `faults?id=${id}`)).status).toBe(204);
    expect((await t.control('GET', 'faults')).body).toEqual([cut.body]);
    await t.control('DELETE', 'faults');
    expect((await t.control('GET', 'faults')).body).toEqual([]);
  });

  it('keeps all faults if the id to delete is malformed', async () => {
    await t.control('POST', 'faults', { route: 'otp-auth', status: 503 });
    expect(await t.control('DELETE', 'faults?id=x')).toMatchObject({ status: 400 });
    expect((await t.control('GET', 'faults')).body).toHaveLength(1);
  });
});

describe('/_sandbox/reset', () => {
  it('forgets everything except the keys', async () => {
    const { ids, sessionId } = await t.loggedIn();
    const creation = { ...ids, sessionId, authenticators: [makePasskey()] };
    await t.integrator.submit('create-authenticators-otp', creation);
    await t.control('POST', 'faults', { route: 'otp-auth', status: 503 });
    await t.control('POST', 'clock', { advanceMs: 300_000 });
    expect((await t.control('GET', `authenticators?userId=${ids.userId}`)).body).toHaveLength(1);

    expect((await t.control('POST', 'reset')).status).toBe(204);
    for (const path of ['journal', 'mailbox', 'faults', 'authenticators']) {
      expect((await t.control('GET', path)).body).toEqual([]);
    }
    expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status: 404 });
    t.sandbox.control.addSubject({ ...ids, email: 'ana@example.com' });
    expect(await t.integrator.submit('create-authenticators-otp', creation)).toMatchObject({
      status: 404,
      body: { error: 'session not found' },
    });
    expect((await t.control('GET', 'journal')).body).toMatchObject([{ seq: 1 }, { seq: 2 }]);
  });
});

describe('a bounded log', () => {
  it('drops the oldest entries over its limit', () => {
    const log = new BoundedLog<number>(3);
    for (const entry of [1, 2, 3, 4, 5]) log.add(entry);
    expect(log.filter(() => true)).toEqual([3, 4, 5]);
  });
});
