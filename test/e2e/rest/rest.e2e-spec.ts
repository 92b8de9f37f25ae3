import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { JSON_KEY, KEY, expectProblem, pointers, send } from '../../support/http-exchange.js';
import { API_KEY, Story } from '../../support/story.js';
import { SITUATIONS } from '../../support/situations.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin();
});
afterAll(() => story.end());

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  send(story, 'POST', path, { headers: { ...JSON_KEY, ...headers }, body: JSON.stringify(body) });

describe('a request', () => {
  it.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer not-the-key-of-the-tests' }],
    ['a longer token', { authorization: `Bearer ${API_KEY}x` }],
    ['another scheme', { authorization: `Basic ${Buffer.from(`ops:${API_KEY}`).toString('base64')}` }],
    ['the token without its scheme', { authorization: API_KEY }],
  ])('with %s is not authenticated, on every route', async (_, headers) => {
    const { id } = await story.sent();
    const routes = [
      ['POST', ''],
      ['GET', ''],
      ['GET', `/${id}`],
      ['GET', `/${id}/events`],
      ...['otp/resend', 'otp/verify', 'authenticators/options', 'authenticators', 'cancel', 'resolve'].map(
        (command) => ['POST', `/${id}/${command}`],
      ),
    ] as [string, string][];
    for (const [method, path] of routes) {
      const reply = await send(story, method, `/v1/onboardings${path}`, { headers });
      expectProblem(reply, 401, 'unauthenticated');
      expect(reply.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(reply.text).not.toContain(API_KEY);
    }
    expect((await story.get(id)).body.state).toBe('otp_sent');
  });
});

describe('a bad request', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v1/nothing'],
    ['GET', '/v1/onboardings/'],
    ['GET', '/V1/Onboardings'],
    ['DELETE', '/v1/onboardings/018f6d1c-0000-7000-8000-000000000000'],
  ])('for an unknown route gets 404: %s %s', async (method, path) => {
    const problem = expectProblem(await send(story, method, path, { headers: KEY }), 404, 'not_found');
    expect(problem.instance).toBe(path);
  });

  it.each([
    ['PUT', '/v1/onboardings', 'GET, HEAD, POST'],
    ['OPTIONS', '/v1/onboardings?x=1', 'GET, HEAD, POST'],
    ['PATCH', '/v1/onboardings/018f6d1c-0000-7000-8000-000000000000', 'DELETE, GET, HEAD'],
    ['GET', '/v1/onboardings/018f6d1c-0000-7000-8000-000000000000/cancel', 'POST'],
    ['TRACE', '/v1/admin/api-keys', 'GET, HEAD, POST'],
    ['POST', '/health/live', 'GET, HEAD'],
    ['DELETE', '/metrics', 'GET, HEAD'],
    ['POST', '/openapi.json', 'GET, HEAD'],
    ['POST', '/docs', 'GET, HEAD'],
  ])(
    '%s %s has a method that the path does not allow, and gets 405 even without a login',
    async (method, path, allow) => {
      const reply = await send(story, method, path, {});
      const problem = expectProblem(reply, 405, 'method_not_allowed');
      expect(reply.headers['allow']).toBe(allow);
      expect(problem.instance).toBe(path.split('?', 1)[0]);
    },
  );

  it('with an unknown id gets 404, and a request with a malformed id gets 400', async () => {
    const unknown = `/v1/onboardings/${randomUUID()}`;
    for (const path of [unknown, `${unknown}/events`, `${unknown}/events?after=1`]) {
      expectProblem(await send(story, 'GET', path, { headers: KEY }), 404, 'not_found');
    }
    for (const command of ['otp/resend', 'cancel']) {
      expectProblem(await post(`${unknown}/${command}`, {}), 404, 'not_found');
    }
    expectProblem(await post(`${unknown}/otp/verify`, { code: '123456' }), 404, 'not_found');
    expectProblem(await send(story, 'GET', '/v1/onboardings/42', { headers: KEY }), 400, 'validation_failed');
    expectProblem(
      await send(story, 'GET', '/v1/onboardings/%ZZ', { headers: KEY }),
      400,
      'validation_failed',
    );
  });

  it('is refused if its body is not JSON, has another type, or is too large', async () => {
    const path = '/v1/onboardings';
    for (const body of ['{"subject":', '\u0000', '{"a":1}}', 'null', '[]', '"text"']) {
      expectProblem(await send(story, 'POST', path, { headers: JSON_KEY, body }), 400, 'validation_failed');
    }
    expectProblem(await send(story, 'POST', path, { headers: JSON_KEY }), 400, 'validation_failed');
    // A form on another website could send the second type without a CORS preflight.
    for (const type of ['application/xml', 'application/x-www-form-urlencoded']) {
      const headers = { ...KEY, 'content-type': type };
      expectProblem(await send(story, 'POST', path, { headers, body: '{}' }), 415, 'unsupported_media_type');
    }

    const large = JSON.stringify({ externalRef: 'x'.repeat(256 * 1024) });
    expectProblem(
      await send(story, 'POST', path, { headers: JSON_KEY, body: large }),
      413,
      'payload_too_large',
    );
    const fits = JSON.stringify({ externalRef: 'x'.repeat(255 * 1024) });
    expectProblem(
      await send(story, 'POST', path, { headers: JSON_KEY, body: fits }),
      400,
      'validation_failed',
    );
  });

  it('gets the names of its unknown and malformed fields', async () => {
    const { accountId, userId } = story.newSubject();
    const subject = { accountId, userId };
    const bad: [object, string][] = [
      [{ subject, more: 1 }, ''],
      [{ subject: { ...subject, accountId: 'not-a-uuid' } }, '/subject/accountId'],
      [{ subject: { userId } }, '/subject/accountId'],
      [{ subject: { ...subject, email: 'x@example.com' } }, '/subject'],
      [{}, '/subject'],
      [{ subject, externalRef: '' }, '/externalRef'],
      [{ subject, externalRef: 'x'.repeat(256) }, '/externalRef'],
      [{ subject, metadata: { note: 'x'.repeat(4096) } }, '/metadata'],
      [{ subject, supersede: 'yes' }, '/supersede'],
      [{ subject, integration: 'turnkey' }, '/integration'],
      [{ subject, integration: 1 }, '/integration'],
    ];
    for (const [body, pointer] of bad) {
      const problem = expectProblem(await post('/v1/onboardings', body), 400, 'validation_failed');
      expect(pointers(problem)).toEqual([pointer]);
    }
    const twice = { subject: { accountId: 1, userId: 2 } };
    expect(pointers(expectProblem(await post('/v1/onboardings', twice), 400, 'validation_failed'))).toEqual([
      '/subject/accountId',
      '/subject/userId',
    ]);
    expect(story.calls({ accountId, userId, email: '' }, 'init-otp')).toBe(0);
    const { id } = await story.sent();
    for (const [command, body] of [
      ['otp/verify', { code: '123456', more: 1 }],
      ['otp/resend', { more: 1 }],
      ['cancel', { reason: '' }],
      ['resolve', { outcome: 'perhaps', reason: 'x' }],
      ['resolve', { outcome: 'done' }],
      ['authenticators/options', { userName: '' }],
    ] as const) {
      expectProblem(await post(`/v1/onboardings/${id}/${command}`, body), 400, 'validation_failed');
    }
  });

  it('cannot set a prototype by a key in its body', async () => {
    const { accountId, userId } = story.newSubject();
    const subject = JSON.stringify({ accountId, userId });
    const body = `{"subject":${subject},"__proto__":{"supersede":true}}`;
    const reply = await send(story, 'POST', '/v1/onboardings', { headers: JSON_KEY, body });
    expectProblem(reply, 400, 'validation_failed');
  });
});

describe('headers', () => {
  it('ETag names the version, and If-Match limits a command to it', async () => {
    const { id, subject } = await story.sent();
    const { headers, body } = await story.get(id);
    const etag = `"${body.version}"`;
    expect(headers.get('etag')).toBe(etag);
    const verified = await story.verify(id, story.code(subject), { 'if-match': etag });
    expect(verified.status).toBe(200);
    expect(verified.headers.get('etag')).toBe(`"${verified.body.version}"`);
    expect(verified.body.version).toBeGreaterThan(body.version);

    const path = `/v1/onboardings/${id}`;
    const passkey = await story.passkey(id);
    const stale = { 'if-match': etag };
    for (const [command, content] of [
      ['cancel', {}],
      ['otp/resend', {}],
      ['authenticators/options', { userName: 'ana' }],
      ['authenticators', { authenticators: [passkey] }],
      ['resolve', { outcome: 'done', reason: 'x' }],
    ] as const) {
      const problem = expectProblem(
        await post(`${path}/${command}`, content, stale),
        412,
        'version_mismatch',
      );
      expect(problem.version).toBe(verified.body.version);
    }
    // A weak entity tag matches nothing (RFC 9110 §13.1.1).
    const weak = { 'if-match': `W/"${verified.body.version}"` };
    expectProblem(await post(`${path}/cancel`, {}, weak), 412, 'version_mismatch');
    expectProblem(await post(`${path}/cancel`, {}, { 'if-match': '3' }), 400, 'validation_failed');
    expect((await story.get(id)).body.version).toBe(verified.body.version);
    expect((await post(`${path}/cancel`, {}, { 'if-match': '*' })).status).toBe(200);
  });

  it.each([['respond-async'], ['wait=0'], ['handling=lenient, respond-async']])(
    'Prefer: %s gets a 202, and the step still ends',
    async (prefer) => {
      const subject = story.newSubject();
      const { userId } = subject;
      story.sandbox.control.addFault({
        route: '*',
        match: { userId },
        times: 2,
        delayMs: 600,
        afterEffect: true,
      });
      const started = await story.start(subject, {}, { prefer });
      expect(started.status).toBe(202);
      const { id } = started.body;
      expect(started.headers.get('location')).toBe(`/v1/onboardings/${id}`);
      expect(started.body).toMatchObject({
        state: 'otp_requested',
        nextAction: { type: 'wait' },
        unresolved: null,
      });
      await story.until(id, 'otp_sent');

      const verify = await story.verify(id, story.code(subject), { prefer });
      expect(verify.status).toBe(202);
      expect(verify.headers.get('location')).toBe(`/v1/onboardings/${id}`);
      expect(verify.body).toMatchObject({
        state: 'otp_submitted',
        nextAction: { type: 'wait' },
        unresolved: null,
      });
      await story.until(id, 'otp_verified');
    },
  );

  it('Prefer: wait ends the wait, not the step', async () => {
    const { id, subject } = await story.sent();
    const { userId } = subject;
    story.sandbox.control.addFault({
      route: 'otp-auth',
      match: { userId },
      delayMs: 2_000,
      status: 400,
      body: {},
    });
    const beganAt = performance.now();
    const verify = await story.verify(id, story.code(subject), { prefer: 'wait=1' });
    expect(performance.now() - beganAt).toBeGreaterThanOrEqual(990);
    expect(verify.status).toBe(202);
    const ended = await story.until(id, 'otp_sent');
    expect(ended.lastResult).toMatchObject({ step: 'verify-otp', code: 'upstream_rejected' });
  });

  it.each([
    ['wait=31', 'wait=30'],
    ['wait=99999', 'wait=30'],
    ['WAIT="5"; why=not', 'wait=5'],
    ['wait=-1', null],
    ['wait=1.5', null],
    ['wait=soon', null],
    ['return=minimal', null],
  ])('Prefer: %s is applied as %s', async (prefer, applied) => {
    const reply = await story.start(story.newSubject(), {}, { prefer });
    expect([reply.status, reply.headers.get('preference-applied')]).toEqual([201, applied]);
    // A cancel starts no step.
    const cancelled = await story.call('POST', `/v1/onboardings/${reply.body.id}/cancel`, {}, { prefer });
    expect([cancelled.status, cancelled.headers.get('preference-applied')]).toEqual([200, null]);
  });

  it('Prefer: respond-async, wait=1 waits a second, and no longer', async () => {
    const { id, subject } = await story.sent();
    const { userId } = subject;
    story.sandbox.control.addFault({
      route: 'otp-auth',
      match: { userId },
      delayMs: 2_000,
      afterEffect: true,
    });
    const beganAt = performance.now();
    const verify = await story.verify(id, story.code(subject), { prefer: 'respond-async, wait=1' });
    expect(performance.now() - beganAt).toBeGreaterThanOrEqual(990);
    expect(verify.status).toBe(202);
    expect(verify.headers.get('preference-applied')).toBe('respond-async, wait=1');
    await story.until(id, 'otp_verified');
    const both = { prefer: 'respond-async, wait=20' };
    expect((await story.start(story.newSubject(), {}, both)).status).toBe(201);
  });

  it('If-Match may name several versions, in the list syntax of RFC 9110', async () => {
    const { id, version } = await story
      .sent()
      .then(({ id: sent }) => story.get(sent).then(({ body }) => body));
    const cancel = (tags: string) => post(`/v1/onboardings/${id}/cancel`, {}, { 'if-match': tags });
    for (const tags of ['', ',', '*, "1"', '"1" "2"', '"1', '1, 2', 'w/"1"', '"1",, x'])
      expectProblem(await cancel(tags), 400, 'validation_failed');
    for (const tags of [
      '"998", "999"',
      `W/"${version}"`,
      `"999", W/"${version}"`,
      '"a,b"',
      `"x${version}"`,
      '""',
    ])
      expectProblem(await cancel(tags), 412, 'version_mismatch');
    expect((await cancel(`,"998" ,W/"1",  "${version}",`)).status).toBe(200);
  });

  it('a request id and a trace are kept if they are valid, otherwise new ones are made', async () => {
    const given = {
      ...KEY,
      'x-request-id': 'caller-42',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    };
    for (const path of ['/v1/onboardings', '/v1/onboardings/42', '/nowhere', '/health/live']) {
      const taken = await send(story, 'GET', path, { headers: given });
      expect(taken.headers['x-request-id']).toBe('caller-42');
      expect(taken.headers['traceparent']).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
      expect(taken.headers['cache-control']).toBe('no-store');
      const made = await send(story, 'GET', path, {
        headers: { ...KEY, 'x-request-id': 'a b"', traceparent: '00-xyz' },
      });
      expect(made.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(made.headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    }
  });
});

describe('the error answers to commands', () => {
  it('name the next action that the state permits', async () => {
    const sent = await story.sent();
    const passkey = await story.passkey((await story.verified()).id);
    const early = await post(`/v1/onboardings/${sent.id}/authenticators`, { authenticators: [passkey] });
    expect(expectProblem(early, 409, 'illegal_state')).toMatchObject({
      state: 'otp_sent',
      nextAction: { type: 'submit_otp' },
    });
    const idle = await post(`/v1/onboardings/${sent.id}/resolve`, { outcome: 'done', reason: 'x' });
    expectProblem(idle, 409, 'illegal_state');

    const waiting = await SITUATIONS['otp_submitted, waiting for its retry'](story);
    for (const [command, body] of [
      ['otp/verify', { code: '123456' }],
      ['otp/resend', {}],
      ['authenticators/options', { userName: 'ana' }],
      ['authenticators', { authenticators: [passkey] }],
    ] as const) {
      const reply = await post(`/v1/onboardings/${waiting.id}/${command}`, body);
      const problem = expectProblem(reply, 409, 'step_in_progress');
      expect(problem).toMatchObject({
        state: 'otp_submitted',
        retryable: true,
        nextAction: { type: 'wait' },
      });
      expect(Date.parse(problem.nextAction.until)).toBeGreaterThan(Date.now());
    }

    const lost = await SITUATIONS['outcome_unknown, after verify-otp'](story);
    const verify = await post(`/v1/onboardings/${lost.id}/otp/verify`, { code: '123456' });
    expect(expectProblem(verify, 409, 'outcome_unknown')).toMatchObject({ nextAction: { type: 'resolve' } });
    const done = await post(`/v1/onboardings/${lost.id}/resolve`, { outcome: 'done', reason: 'x' });
    expectProblem(done, 409, 'outcome_unknown');
  });

  it('report, like the onboarding itself, a user whom the provider does not know', async () => {
    const subject = { accountId: randomUUID(), userId: randomUUID() };
    const problem = expectProblem(await post('/v1/onboardings', { subject }), 422, 'subject_not_found');
    const { body } = await story.get(problem.onboardingId);
    expect(body).toMatchObject({
      state: 'failed',
      failure: { code: 'subject_not_found', step: 'init-otp', upstreamStatus: 404 },
      nextAction: { type: 'none' },
    });
  });
});
