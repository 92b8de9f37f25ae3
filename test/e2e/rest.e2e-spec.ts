import { request } from 'node:http';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { API_KEY, OPS_PASSWORD, Story, type Subject } from './story.js';
import { SITUATIONS } from './situations.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin();
});
afterAll(() => story.end());

interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** A request whose path goes out exactly as it is given, which `fetch` would not do. */
function send(
  method: string,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<Reply> {
  const { hostname, port } = new URL(story.serviceUrl);
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    // A server that refuses a large body may answer before it has read it all.
    sent.on('error', reject);
    sent.end(body);
  });
}

const KEY = { authorization: `Bearer ${API_KEY}` };
const JSON_KEY = { ...KEY, 'content-type': 'application/json' };

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  send('POST', path, { headers: { ...JSON_KEY, ...headers }, body: JSON.stringify(body) });

/** Every member that a problem has, and none that it must not have. */
function expectProblem(reply: Reply, status: number, code: string): Record<string, any> {
  expect({ status: reply.status, type: reply.headers['content-type'] }).toEqual({
    status,
    type: expect.stringMatching(/^application\/problem\+json/),
  });
  const problem = JSON.parse(reply.text) as Record<string, any>;
  expect(problem).toMatchObject({
    type: expect.stringMatching(/^[a-z][a-z0-9+.-]*:/),
    title: expect.stringMatching(/./),
    status,
    detail: expect.stringMatching(/./),
    instance: expect.stringMatching(/^\//),
    code,
    traceId: reply.headers['x-request-id'],
    retryable: expect.any(Boolean),
  });
  expect(reply.headers['cache-control']).toBe('no-store');
  expect(reply.text).not.toMatch(/node_modules|\bat .+:\d+:\d+|stack/);
  return problem;
}

const pointers = (problem: Record<string, any>) =>
  problem['errors'].map((each: { pointer: string }) => each.pointer);

describe('who asks', () => {
  it.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer not-the-key-of-the-tests' }],
    ['a longer token', { authorization: `Bearer ${API_KEY}x` }],
    ['another scheme', { authorization: `Basic ${Buffer.from(`ops:${API_KEY}`).toString('base64')}` }],
    ['the token without its scheme', { authorization: API_KEY }],
  ])('with %s is nobody, on every route', async (_, headers) => {
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
      const reply = await send(method, `/v1/onboardings${path}`, { headers });
      expectProblem(reply, 401, 'unauthenticated');
      expect(reply.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(reply.text).not.toContain(API_KEY);
    }
    expect((await story.get(id)).body.state).toBe('otp_sent');
  });
});

describe('what is asked', () => {
  it.each([
    ['GET', '/'],
    ['GET', '/v1'],
    ['GET', '/v1/nothing'],
    ['GET', '/v1/onboardings/'],
    ['GET', '/V1/Onboardings'],
    ['PUT', '/v1/onboardings'],
    ['DELETE', '/v1/onboardings/018f6d1c-0000-7000-8000-000000000000'],
    ['GET', '/v1/onboardings/018f6d1c-0000-7000-8000-000000000000/cancel'],
    ['POST', '/health/live'],
  ])('%s %s is no route', async (method, path) => {
    const problem = expectProblem(await send(method, path, { headers: KEY }), 404, 'not_found');
    expect(problem['instance']).toBe(path);
  });

  it('an id that nobody has is not found; one that is none is refused', async () => {
    const nobody = `/v1/onboardings/${randomUUID()}`;
    for (const path of [nobody, `${nobody}/events`, `${nobody}/events?after=1`]) {
      expectProblem(await send('GET', path, { headers: KEY }), 404, 'not_found');
    }
    for (const command of ['otp/resend', 'cancel']) {
      expectProblem(await post(`${nobody}/${command}`, {}), 404, 'not_found');
    }
    expectProblem(await post(`${nobody}/otp/verify`, { code: '123456' }), 404, 'not_found');
    expectProblem(await send('GET', '/v1/onboardings/42', { headers: KEY }), 400, 'validation_failed');
    expectProblem(await send('GET', '/v1/onboardings/%ZZ', { headers: KEY }), 400, 'validation_failed');
  });

  it('a body that is no JSON, of another type, or too large is refused', async () => {
    const path = '/v1/onboardings';
    for (const body of ['{"subject":', '\u0000', '{"a":1}}', 'null', '[]', '"text"']) {
      expectProblem(await send('POST', path, { headers: JSON_KEY, body }), 400, 'validation_failed');
    }
    expectProblem(await send('POST', path, { headers: JSON_KEY }), 400, 'validation_failed');
    const xml = { ...KEY, 'content-type': 'application/xml' };
    expectProblem(await send('POST', path, { headers: xml, body: '{}' }), 415, 'unsupported_media_type');

    const large = JSON.stringify({ externalRef: 'x'.repeat(256 * 1024) });
    expectProblem(await send('POST', path, { headers: JSON_KEY, body: large }), 413, 'payload_too_large');
    const fits = JSON.stringify({ externalRef: 'x'.repeat(255 * 1024) });
    expectProblem(await send('POST', path, { headers: JSON_KEY, body: fits }), 400, 'validation_failed');
  });

  it('unknown and misshapen fields are named', async () => {
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

  it('a prototype key in a body is data or refused, never obeyed', async () => {
    const { accountId, userId } = story.newSubject();
    const body = `{"subject":{"accountId":"${accountId}","userId":"${userId}"},"__proto__":{"supersede":true}}`;
    const reply = await send('POST', '/v1/onboardings', { headers: JSON_KEY, body });
    expectProblem(reply, 400, 'validation_failed');
  });

  it('Idempotency-Key is refused on every POST, until it is built', async () => {
    const { id } = await story.sent();
    const commands = [
      'otp/resend',
      'otp/verify',
      'authenticators/options',
      'authenticators',
      'cancel',
      'resolve',
    ];
    const bodies: Record<string, unknown> = {
      'otp/verify': { code: '123456' },
      'authenticators/options': { userName: 'ana' },
      authenticators: { authenticators: [await story.passkey((await story.verified()).id)] },
      resolve: { outcome: 'done', reason: 'x' },
    };
    const { accountId, userId } = story.newSubject();
    const key = { 'idempotency-key': 'abc' };
    expectProblem(
      await post('/v1/onboardings', { subject: { accountId, userId } }, key),
      400,
      'validation_failed',
    );
    for (const command of commands) {
      const reply = await post(`/v1/onboardings/${id}/${command}`, bodies[command] ?? {}, key);
      expectProblem(reply, 400, 'validation_failed');
      expect(reply.text).toContain('Idempotency-Key');
    }
    expect((await story.get(id)).body).toMatchObject({ state: 'otp_sent', otp: { attemptsLeft: 3 } });
  });
});

describe('headers', () => {
  it('ETag names the version, and If-Match holds a command to it', async () => {
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
      expect(problem['version']).toBe(verified.body.version);
    }
    expectProblem(await post(`${path}/cancel`, {}, { 'if-match': 'W/"1"' }), 400, 'validation_failed');
    expect((await story.get(id)).body.version).toBe(verified.body.version);
    expect((await post(`${path}/cancel`, {}, { 'if-match': '*' })).status).toBe(200);
  });

  it.each([['respond-async'], ['wait=0'], ['handling=lenient, respond-async, wait=20']])(
    'Prefer: %s is answered 202, and the step ends all the same',
    async (prefer) => {
      const subject = story.newSubject();
      const { userId } = subject;
      story.sandbox.control.addFault({
        route: '*',
        match: { userId },
        times: 2,
        delayMs: 150,
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
      delayMs: 1_300,
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

  it.each([['wait=31'], ['wait=-1'], ['wait=1.5'], ['wait=soon']])(
    'Prefer: %s is refused',
    async (prefer) => {
      const { accountId, userId } = story.newSubject();
      const reply = await post('/v1/onboardings', { subject: { accountId, userId } }, { prefer });
      expectProblem(reply, 400, 'validation_failed');
    },
  );

  it('a request id and a trace are taken over, or made', async () => {
    const given = {
      ...KEY,
      'x-request-id': 'caller-42',
      traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    };
    for (const path of ['/v1/onboardings', '/v1/onboardings/42', '/nowhere', '/health/live']) {
      const taken = await send('GET', path, { headers: given });
      expect(taken.headers['x-request-id']).toBe('caller-42');
      expect(taken.headers['traceparent']).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
      expect(taken.headers['cache-control']).toBe('no-store');
      const made = await send('GET', path, {
        headers: { ...KEY, 'x-request-id': 'a b"', traceparent: '00-xyz' },
      });
      expect(made.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(made.headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    }
  });
});

describe('the codes of a state', () => {
  it('say what is possible instead', async () => {
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
      expect(Date.parse(problem['nextAction'].until)).toBeGreaterThan(Date.now());
    }

    const lost = await SITUATIONS['outcome_unknown, after verify-otp'](story);
    const verify = await post(`/v1/onboardings/${lost.id}/otp/verify`, { code: '123456' });
    expect(expectProblem(verify, 409, 'outcome_unknown')).toMatchObject({ nextAction: { type: 'resolve' } });
    const done = await post(`/v1/onboardings/${lost.id}/resolve`, { outcome: 'done', reason: 'x' });
    expectProblem(done, 409, 'outcome_unknown');
  });

  it('an unknown subject is a problem of the start, and the row says so for good', async () => {
    const subject = { accountId: randomUUID(), userId: randomUUID() };
    const problem = expectProblem(await post('/v1/onboardings', { subject }), 422, 'subject_not_found');
    const { body } = await story.get(problem['onboardingId']);
    expect(body).toMatchObject({
      state: 'failed',
      failure: { code: 'subject_not_found', step: 'init-otp', upstreamStatus: 404 },
      nextAction: { type: 'none' },
    });
  });
});

describe('the list', () => {
  const ref = `list-${randomUUID()}`;
  const rows: { id: string; subject: Subject; createdAt: string }[] = [];
  const accountId = randomUUID();

  interface Page {
    items: { id: string; state: string; createdAt: string }[];
    nextCursor: string | null;
  }
  const list = async (query: string): Promise<Page> => {
    const { status, body } = await story.call<Page>('GET', `/v1/onboardings?${query}`);
    expect(status).toBe(200);
    return body;
  };
  const ids = async (query: string) => (await list(query)).items.map(({ id }) => id);

  beforeAll(async () => {
    for (let n = 0; n < 7; n++) {
      const subject = { ...story.newSubject(), accountId };
      story.sandbox.control.addSubject(subject);
      const { body } = await story.start(subject, { externalRef: n === 3 ? `${ref}-3` : ref });
      rows.unshift({ id: body.id, subject, createdAt: body.createdAt });
    }
    await story.cancel(rows[2]!.id);
  });

  it('pages newest first, without a gap or a repeat, while new ones come in', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const page: Page = await list(`accountId=${accountId}&limit=2${cursor ? `&cursor=${cursor}` : ''}`);
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      pages += 1;
      if (pages === 2) await story.sent();
    } while (cursor);
    expect(seen).toEqual(rows.map(({ id }) => id));
    expect(pages).toBe(4);
    const exact = await list(`accountId=${accountId}&limit=7`);
    expect(exact.nextCursor).toBeNull();
  });

  it('filters by each of its parameters, and by all of them at once', async () => {
    const all = rows.map(({ id }) => id);
    expect(await ids(`externalRef=${ref}`)).toEqual(all.filter((_, n) => n !== 3));
    expect(await ids(`userId=${rows[1]!.subject.userId}`)).toEqual([all[1]]);
    expect(await ids(`accountId=${accountId}&state=cancelled`)).toEqual([all[2]]);
    expect(await ids(`accountId=${accountId}&state=completed`)).toEqual([]);
    expect(await ids(`accountId=${accountId}&integration=byzantine`)).toEqual(all);
    expect(await ids(`accountId=${accountId}&integration=another`)).toEqual([]);
    const { createdAt } = rows[3]!;
    const around = [
      await ids(`accountId=${accountId}&createdAfter=${createdAt}`),
      await ids(`accountId=${accountId}&createdBefore=${createdAt}`),
    ];
    // The instant shown is cut to milliseconds, so that the row itself comes after it.
    expect(around[0]).toEqual(expect.arrayContaining(all.slice(0, 3)));
    expect(around[1]).toEqual(all.slice(4));
    expect(
      await ids(`accountId=${accountId}&state=otp_sent&externalRef=${ref}&integration=byzantine&limit=200`),
    ).toEqual(all.filter((_, n) => n !== 2 && n !== 3));
  });

  it.each([
    ['cursor=%%%', ''],
    ['cursor=abc', '/cursor'],
    [`cursor=${Buffer.from('x'.repeat(36)).toString('base64url')}`, '/cursor'],
    ['limit=0', '/limit'],
    ['limit=201', '/limit'],
    ['limit=ten', '/limit'],
    ['state=sleeping', '/state'],
    ['state=otp_sent&state=failed', '/state'],
    ['createdAfter=yesterday', '/createdAfter'],
    ['more=1', ''],
  ])('refuses %s', async (query, pointer) => {
    const reply = await send('GET', `/v1/onboardings?${query}`, { headers: KEY });
    const problem = expectProblem(reply, 400, 'validation_failed');
    if (pointer) expect(pointers(problem)).toEqual([pointer]);
    expect(problem['instance']).toBe('/v1/onboardings');
  });
});

describe('the timeline', () => {
  it('goes on after a number, without a gap', async () => {
    const { id } = await story.verified();
    const all = await story.events(id);
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, n) => n + 1));
    const seen = [];
    for (let after = 0; ;) {
      const path = `/v1/onboardings/${id}/events?after=${after}&limit=3`;
      const { items } = (await story.call<{ items: typeof all }>('GET', path)).body;
      if (items.length === 0) break;
      seen.push(...items);
      after = items.at(-1)!.seq;
    }
    expect(seen).toEqual(all);
    for (const query of ['after=-1', 'after=x', 'limit=0', 'limit=1001', 'before=1']) {
      const reply = await send('GET', `/v1/onboardings/${id}/events?${query}`, { headers: KEY });
      expectProblem(reply, 400, 'validation_failed');
    }
  });
});

describe('around the onboardings', () => {
  it('the contract is OpenAPI 3.1 and names all routes, with their problems', async () => {
    const reply = await send('GET', '/openapi.json');
    expect(reply.status).toBe(200);
    const document = JSON.parse(reply.text) as {
      openapi: string;
      paths: Record<string, Record<string, any>>;
    };
    expect(document.openapi).toMatch(/^3\.1\./);
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const one = '/v1/onboardings/{id}';
    expect(routes.sort()).toEqual(
      [
        'GET /v1/onboardings',
        'POST /v1/onboardings',
        `GET ${one}`,
        `GET ${one}/events`,
        ...['otp/resend', 'otp/verify', 'authenticators/options', 'authenticators', 'cancel', 'resolve'].map(
          (command) => `POST ${one}/${command}`,
        ),
      ].sort(),
    );
    const { responses } = document.paths[`${one}/otp/verify`]!['post'];
    expect(Object.keys(responses)).toEqual(
      expect.arrayContaining(['200', '400', '401', '404', '409', '410', '412', '422', '429', '500', '503']),
    );
  });

  it('the contract can be browsed', async () => {
    const page = await send('GET', '/docs');
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toMatch(/^text\/html/);
  });

  it('health needs no key, and names what it looked at', async () => {
    const live = await send('GET', '/health/live');
    expect([live.status, JSON.parse(live.text)]).toEqual([200, { status: 'ok' }]);
    const ready = await send('GET', '/health/ready');
    expect(ready.status).toBe(200);
    const { status, checks } = JSON.parse(ready.text) as { status: string; checks: Record<string, unknown> };
    expect(status).toBe('ok');
    expect(checks).toMatchObject({ redis: { status: 'up' } });
    expect(ready.text).not.toMatch(/postgres:\/\/|redis:\/\//);
  });
});

describe('the queue board', () => {
  const login = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });
  const OPERATOR = login('ops', OPS_PASSWORD);

  async function assets(): Promise<string[]> {
    const { text } = await send('GET', '/ops/queues', { headers: OPERATOR });
    return [...text.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map((match) => `/ops/queues/${match[1]}`);
  }

  it('opens to an operator: its page, its data and its assets', async () => {
    const page = await send('GET', '/ops/queues', { headers: OPERATOR });
    expect(page.status).toBe(200);
    expect(page.text).toContain('Gangway');
    const data = await send('GET', '/ops/queues/api/queues', { headers: OPERATOR });
    const { queues } = JSON.parse(data.text) as { queues: { name: string }[] };
    expect(queues.map(({ name }) => name)).toEqual(expect.arrayContaining(['steps', 'expiry', 'upkeep']));
    expect((await assets()).length).toBeGreaterThan(1);
    for (const asset of await assets()) {
      expect((await send('GET', asset, { headers: OPERATOR })).status).toBe(200);
    }
  });

  it('opens to nobody else, however the path is spelt', async () => {
    const plain = [
      '/ops/queues',
      '/ops/queues/',
      '/ops/queues/api/queues',
      '/ops/queues/queue/steps',
      ...(await assets()),
    ];
    const spellings = [
      (path: string) => path,
      (path: string) => path.toUpperCase(),
      (path: string) => path.replace('/ops', '/Ops'),
      (path: string) => path.replace('ops', '%6Fps'),
      (path: string) => path.replace('queues', 'queue%73'),
      (path: string) => path.replace('/ops/', '/ops%2F'),
      (path: string) => path.replace('/ops/', '//ops/'),
      (path: string) => path.replace('/ops/', '/ops//'),
      (path: string) => path.replace('/ops/', '/x/../ops/'),
      (path: string) => path.replace('/ops/', '/ops/./'),
      (path: string) => `${path}?x=/health/live`,
      (path: string) => `${path};jsessionid=1`,
    ];
    const strangers = [{}, login('ops', 'wrong'), login('root', OPS_PASSWORD), KEY];
    for (const path of plain) {
      for (const spelling of spellings) {
        for (const headers of strangers) {
          const { status, text } = await send('GET', spelling(path), { headers });
          expect([spelling(path), [401, 404].includes(status)]).toEqual([spelling(path), true]);
          expect(text).not.toMatch(/"queues"|<html/i);
        }
      }
      for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE']) {
        const { status } = await send(method, path);
        expect([401, 404]).toContain(status);
      }
      const refused = await send('GET', path);
      expectProblem(refused, 401, 'unauthenticated');
      expect(refused.headers['www-authenticate']).toMatch(/^Basic/);
    }
  });

  it('takes no bearer key, and the API takes no login', async () => {
    expect((await send('GET', '/ops/queues', { headers: KEY })).status).toBe(401);
    expect((await send('GET', '/v1/onboardings', { headers: OPERATOR })).status).toBe(401);
  });
});
