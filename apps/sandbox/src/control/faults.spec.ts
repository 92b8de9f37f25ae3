import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { sandboxUnderTest, until } from '../../test/sandbox-under-test.js';
import type { SandboxUnderTest } from '../../test/sandbox-under-test.js';

let t: SandboxUnderTest;
const complaints = jest.spyOn(console, 'error');
beforeAll(async () => {
  t = await sandboxUnderTest();
});
afterEach(() => t.sandbox.control.removeFaults());
afterAll(async () => {
  await t.sandbox.close();
  // The server only prints an unexpected error, so no other check finds it.
  expect(complaints).not.toHaveBeenCalled();
});

const LONG_MS = 600_000;
const mailsOf = (email: string) => t.sandbox.control.mails({ email }).length;
const lastEntry = (userId: string) => t.sandbox.control.requests({ userId }).at(-1);

describe('the answer that a fault gives', () => {
  it('replaces the true answer, and the request has no effect', async () => {
    const { ids, email } = t.newSubject();
    const fault = t.sandbox.control.addFault({ route: 'init-otp', status: 503, retryAfterS: 7 });
    const answer = await t.integrator.submit('init-otp', ids);
    expect(answer).toMatchObject({ status: 503, body: { error: 'scripted fault', status: 503 } });
    expect(answer.headers.get('retry-after')).toBe('7');
    expect(mailsOf(email)).toBe(0);
    expect(lastEntry(ids.userId)).toMatchObject({ answer: 503, effect: null, fault: fault.id });

    expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status: 200 });
    expect(lastEntry(ids.userId)).toMatchObject({ answer: 200, fault: null });
  });

  it('replaces the true answer, but the request has its effect, if afterEffect is set', async () => {
    const { ids, email } = t.newSubject();
    t.sandbox.control.addFault({ route: 'init-otp', status: 500, afterEffect: true });
    expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status: 500 });
    expect(mailsOf(email)).toBe(1);
    expect(lastEntry(ids.userId)).toMatchObject({ answer: 500, effect: { type: 'otp_sent' } });
  });

  it.each([
    ['HTML', { status: 502, body: '<html>', contentType: 'text/html' }, 502, 'text/html', '<html>'],
    [
      'truncated JSON',
      { body: '{"otpId":"a', contentType: 'application/json' },
      200,
      'application/json',
      '{"otpId":"a',
    ],
    ['a wrong shape', { status: 201, body: { id: 1 } }, 201, 'application/json; charset=utf-8', { id: 1 }],
    ['plain text', { body: 'fine' }, 200, 'text/plain; charset=utf-8', 'fine'],
    ['nothing', { status: 204 }, 204, null, ''],
    [
      'a redirect',
      { status: 302 },
      302,
      'application/json; charset=utf-8',
      { error: 'scripted fault', status: 302 },
    ],
    ['null', { body: null }, 200, 'application/json; charset=utf-8', null],
  ])('may be %s', async (_name, fault, status, type, body) => {
    for (const afterEffect of [false, true]) {
      const { ids } = t.newSubject();
      t.sandbox.control.addFault({ route: 'init-otp', ...fault, afterEffect });
      expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status, type, body });
    }
  });

  it('replaces a refusal too, even of a request with a bad signature', async () => {
    t.sandbox.control.addFault({ route: '*', status: 429, afterEffect: true });
    const answer = await t.integrator.get('/v1/integrator/whoami', { headers: { 'x-signature': '0x00' } });
    expect(answer.status).toBe(429);
  });
});

describe('a fault that cuts the connection', () => {
  it('can come before the request takes effect', async () => {
    const { ids, email } = t.newSubject();
    t.sandbox.control.addFault({ route: 'init-otp', cut: 'before' });
    await expect(t.integrator.submit('init-otp', ids)).rejects.toThrow('fetch failed');
    expect(mailsOf(email)).toBe(0);
    expect(lastEntry(ids.userId)).toMatchObject({ answer: 'cut', effect: null });
  });

  it('can come after the effect, before the first byte of the answer', async () => {
    const { ids, email } = t.newSubject();
    t.sandbox.control.addFault({ route: 'init-otp', cut: 'after' });
    await expect(t.integrator.submit('init-otp', ids)).rejects.toThrow('fetch failed');
    expect(mailsOf(email)).toBe(1);
    expect(lastEntry(ids.userId)).toMatchObject({ answer: 'cut', effect: { type: 'otp_sent' } });
  });

  it('can come after the effect and half of the answer’s body', async () => {
    const { ids, email } = t.newSubject();
    t.sandbox.control.addFault({ route: 'init-otp', cut: 'mid-response' });
    const got = await readCut(ids);
    const [mail] = t.sandbox.control.mails({ email });
    const whole = JSON.stringify({ otpId: mail?.otpId });
    expect(got).toEqual({
      status: 200,
      promised: whole.length,
      text: whole.slice(0, whole.length >> 1),
      broke: true,
    });
    expect(lastEntry(ids.userId)).toMatchObject({ answer: 'cut', effect: { type: 'otp_sent' } });
  });

  it('can come in the middle of an answer that the fault gives, with or without an effect', async () => {
    for (const afterEffect of [false, true]) {
      const { ids, email } = t.newSubject();
      t.sandbox.control.addFault({
        route: 'init-otp',
        status: 502,
        body: 'abcd',
        cut: 'mid-response',
        afterEffect,
      });
      expect(await readCut(ids)).toEqual({ status: 502, promised: 4, text: 'ab', broke: true });
      expect(mailsOf(email)).toBe(afterEffect ? 1 : 0);
    }
  });

  async function readCut(ids: object) {
    const response = await t.integrator.send('POST', '/v1/submit/init-otp', JSON.stringify(ids));
    const got = {
      status: response.status,
      promised: Number(response.headers.get('content-length')),
      text: '',
    };
    try {
      const decoder = new TextDecoder();
      for await (const chunk of response.body ?? []) got.text += decoder.decode(chunk as Uint8Array);
      return { ...got, broke: false };
    } catch {
      return { ...got, broke: true };
    }
  }
});

describe('the delay of a fault', () => {
  it('can come after the effect of the request, and the journal shows if the caller hangs up', async () => {
    const { ids, email } = t.newSubject();
    t.sandbox.control.addFault({ route: 'init-otp', delayMs: LONG_MS, afterEffect: true });
    const hangUp = new AbortController();
    const answer = t.integrator.submit('init-otp', ids, { signal: hangUp.signal });
    await until(() => lastEntry(ids.userId)?.effect != null);
    expect(lastEntry(ids.userId)?.answer).toBeNull();
    expect(mailsOf(email)).toBe(1);
    hangUp.abort();
    await expect(answer).rejects.toThrow('aborted');
    await until(() => lastEntry(ids.userId)?.answer === 'client_gone');
  });

  it('can come before the request takes effect', async () => {
    const { ids, email } = t.newSubject();
    t.sandbox.control.addFault({ route: 'init-otp', delayMs: LONG_MS });
    const hangUp = new AbortController();
    const answer = t.integrator.submit('init-otp', ids, { signal: hangUp.signal });
    await until(() => lastEntry(ids.userId) !== undefined);
    expect(lastEntry(ids.userId)).toMatchObject({ answer: null, effect: null });
    expect(mailsOf(email)).toBe(0);
    hangUp.abort();
    await expect(answer).rejects.toThrow('aborted');
  });

  it.each([{}, { status: 503 }, { afterEffect: true }, { status: 503, afterEffect: true }])(
    'does not change the effect of the request, even if the caller hangs up: fault %j',
    async (fault) => {
      const { ids, email } = t.newSubject();
      t.sandbox.control.addFault({ route: 'init-otp', delayMs: 500, times: 2, ...fault });
      const hangUp = new AbortController();
      const answer = t.integrator.submit('init-otp', ids, { signal: hangUp.signal });
      await until(() => lastEntry(ids.userId) !== undefined);
      hangUp.abort();
      await expect(answer).rejects.toThrow('aborted');
      await until(() => lastEntry(ids.userId)?.answer === 'client_gone');

      // Both requests have the same delay, so the first one has ended too.
      expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status: fault.status ?? 200 });
      const effective = fault.status === undefined || fault.afterEffect === true;
      expect(mailsOf(email)).toBe(effective ? 2 : 0);
      expect(t.sandbox.control.requests({ userId: ids.userId })[0]?.answer).toBe('client_gone');
    },
  );

  it('comes before the true answer, the answer of the fault or the cut of the connection', async () => {
    const delayMs = 30;
    const timed = async (fault: object) => {
      t.sandbox.control.addFault({ route: 'init-otp', delayMs, ...fault });
      const startedAt = performance.now();
      const status = await t.integrator.submit('init-otp', t.newSubject().ids).then(
        (answer) => answer.status,
        () => 'cut',
      );
      // A timer may fire a millisecond early.
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(delayMs - 1);
      return status;
    };
    expect(await timed({})).toBe(200);
    expect(await timed({ afterEffect: true })).toBe(200);
    expect(await timed({ status: 503 })).toBe(503);
    expect(await timed({ cut: 'before' })).toBe('cut');
    expect(await timed({ cut: 'after' })).toBe('cut');
  });

  it('does not delay the close of the sandbox', async () => {
    const other = await sandboxUnderTest();
    const { ids } = other.newSubject();
    other.sandbox.control.addFault({ route: 'init-otp', delayMs: LONG_MS, afterEffect: true });
    const answer = other.integrator.submit('init-otp', ids).catch(() => 'closed');
    await until(() => other.sandbox.control.requests().at(-1)?.effect != null);
    await other.sandbox.close();
    await answer;
    await expect(other.integrator.get('/v1/health')).rejects.toThrow('fetch failed');
  });
});

describe('faults', () => {
  it('apply in the order in which they were added, each the given number of times', async () => {
    const { ids } = t.newSubject();
    t.sandbox.control.addFault({ route: 'init-otp', status: 503, times: 2 });
    t.sandbox.control.addFault({ route: '*', status: 500 });
    const statuses = [];
    for (let call = 0; call < 4; call += 1)
      statuses.push((await t.integrator.submit('init-otp', ids)).status);
    expect(statuses).toEqual([503, 503, 500, 200]);
  });

  it('with times 0 apply until they are deleted', async () => {
    const { ids } = t.newSubject();
    const outage = t.sandbox.control.addFault({ route: 'init-otp', status: 503, times: 0 });
    for (let call = 0; call < 5; call += 1) {
      expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status: 503 });
    }
    t.sandbox.control.removeFaults(outage.id);
    expect(await t.integrator.submit('init-otp', ids)).toMatchObject({ status: 200 });
  });

  it('apply only to the route and the user that they name', async () => {
    const [mine, other] = [t.newSubject(), t.newSubject()];
    t.sandbox.control.addFault({ route: '/v1/submit/otp-auth', status: 500 });
    t.sandbox.control.addFault({
      route: 'init-otp',
      status: 502,
      match: { userId: mine.ids.userId.toUpperCase() },
    });
    expect(await t.integrator.submit('init-otp', other.ids)).toMatchObject({ status: 200 });
    expect(await t.integrator.submit('init-otp', mine.ids)).toMatchObject({ status: 502 });
    const login = { ...mine.ids, otpId: 'x', otpCode: '1' };
    expect(await t.integrator.submit('otp-auth', login)).toMatchObject({ status: 500 });
  });

  it.each([
    [{ route: 'int-otp', status: 500 }, 'route'],
    [{ route: 'init-otp' }, 'status'],
    [{ route: 'init-otp', status: 500, cut: 'before' as const }, 'cut'],
    [{ route: 'init-otp', cut: 'before' as const, afterEffect: true }, 'afterEffect'],
    [{ route: 'init-otp', cut: 'after' as const, afterEffect: false }, 'afterEffect'],
    [{ route: 'init-otp', delayMs: 1, retryAfterS: 1 }, 'retryAfterS'],
    [{ route: 'init-otp', status: 500, contentType: 'text/html' }, 'contentType'],
    [{ route: 'init-otp', status: 99 }, 'status'],
    [{ route: 'init-otp', staus: 500, delayMs: 1 }, 'staus'],
  ])('are refused if they are invalid or contradictory: %j', async (fault, field) => {
    expect(() => t.sandbox.control.addFault(fault)).toThrow(field);
    const answer = await t.control('POST', 'faults', fault);
    expect(answer).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining(field), status: 400 },
    });
    expect(t.sandbox.control.pendingFaults()).toEqual([]);
  });
});
