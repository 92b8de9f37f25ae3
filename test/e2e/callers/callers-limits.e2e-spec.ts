import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { until, within } from '#libs/testing';
import { bearer, makeKey, readWith, type Refusal } from '../../support/callers.js';
import { readyAt } from '../../support/health.js';
import { closedPort } from '../../support/ports.js';
import { TokenIssuer } from '../../support/token-issuer.js';
import { API_KEY, Story, type Answer } from '../../support/story.js';

let story: Story;
afterEach(() => story.end());

/** Until Redis is ready, the service counts requests in its own memory. */
const counts = (url: string) =>
  until('Redis counts', async () => (await readyAt(url)).body.checks['redis']?.status === 'up');

async function begin(env: Record<string, string>): Promise<Story> {
  const begun = await Story.begin({ worker: false, env });
  if (!env['REDIS_URL']) await counts(begun.serviceUrl);
  return begun;
}

const BAD = 'not-a-valid-token';

/** @returns the values of the header RateLimit (IETF draft), by policy. */
function limitsOf({
  headers,
}: Pick<Answer<unknown>, 'headers'>): Record<string, { q: number; r: number; t: number }> {
  const items = (name: string) =>
    [...(headers.get(name) ?? '').matchAll(/"(\w+)";([^,]+)/g)].map(([, policy, rest = '']) => [
      policy!,
      Object.fromEntries(rest.split(';').map((each) => [each[0], Number(each.slice(2))])),
    ]);
  const policies = Object.fromEntries(items('ratelimit-policy')) as Record<string, { q: number }>;
  const limits = Object.fromEntries(items('ratelimit')) as Record<string, { r: number; t: number }>;
  return Object.fromEntries(Object.entries(policies).map(([name, { q }]) => [name, { q, ...limits[name]! }]));
}

const isOver = (answer: Answer<Refusal>) => {
  expect(answer.body.code).toBe('rate_limited');
  const afterS = Number(answer.headers.get('retry-after'));
  expect(afterS).toBeGreaterThan(0);
  expect(afterS).toBeLessThanOrEqual(60);
  return answer;
};

describe('invalid tokens', () => {
  it('lock out the address that sends them; valid tokens do not count', async () => {
    story = await begin({ LOGIN_FAILURES_PER_MINUTE: '4', TRUSTED_PROXIES: 'loopback' });
    const from = (address: string, token: string) =>
      story.call<Refusal>('GET', '/v1/onboardings?limit=1', undefined, {
        ...bearer(token),
        'x-forwarded-for': address,
      });
    for (let n = 0; n < 4; n++) {
      expect((await from('192.0.2.1', BAD)).status).toBe(401);
      for (let m = 0; m < 3; m++)
        expect((await from('192.0.2.1', API_KEY)).status).toBe(200 + (n === 3 ? 229 : 0));
    }
    isOver(await from('192.0.2.1', BAD));
    expect((await from('192.0.2.2', API_KEY)).status).toBe(200);
    expect((await from('192.0.2.2', BAD)).status).toBe(401);

    // The addresses of an IPv6 /64 network count as one, because the network belongs to one customer.
    for (let n = 0; n < 4; n++) expect((await from(`2001:db8:0:1::${n}`, BAD)).status).toBe(401);
    isOver(await from('2001:db8:0:1:ffff::1', API_KEY));
    expect((await from('2001:db8:0:2::1', API_KEY)).status).toBe(200);
  });

  it.each<[string, (n: number) => string]>([
    ['with a port', (n) => `192.0.2.7:${40_000 + n}`],
    ['in quotes with a port', (n) => `"192.0.2.7:${40_000 + n}"`],
    ['of IPv6 with a port', (n) => `[2001:DB8:0:7::${n}]:${40_000 + n}`],
    ['of IPv6 mapped to IPv4, with a port', (n) => `[::ffff:192.0.2.7]:${40_000 + n}`],
    ['that is no IP address', (n) => `_hidden${n}`],
    ['before an entry that is no IP address', (n) => `192.0.2.${n}, unknown`],
    ['after entries that a client made up', (n) => `192.0.2.${n + 10}, nonsense${n}, 192.0.2.7:${n}`],
  ])('are counted if X-Forwarded-For has an address %s', async (_, written) => {
    story = await begin({ LOGIN_FAILURES_PER_MINUTE: '3', TRUSTED_PROXIES: 'loopback' });
    const from = (address: string) =>
      story.call<Refusal>('GET', '/v1/onboardings?limit=1', undefined, {
        ...bearer(BAD),
        'x-forwarded-for': address,
      });
    for (let n = 1; n < 4; n++) expect((await from(written(n))).status).toBe(401);
    isOver(await from(written(4)));
  });

  it('lock out an address, except for valid JWTs and for API keys that have worked before', async () => {
    const issuer = await TokenIssuer.start();
    const jwtKey = await issuer.newKey('k1');
    // Without the cache, each request needs PostgreSQL.
    story = await begin({ LOGIN_FAILURES_PER_MINUTE: '2', API_KEY_CACHE_MS: '0', ...issuer.env });
    story.atEnd(() => issuer.close());
    const [used, unused] = [
      await makeKey(story, ['onboardings:read']),
      await makeKey(story, ['onboardings:read']),
    ];
    const list = (token: string) =>
      story.call<Refusal>('GET', '/v1/onboardings?limit=1', undefined, bearer(token));
    expect((await list(used.token)).status).toBe(200);
    for (let n = 0; n < 2; n++) expect((await list(BAD)).status).toBe(401);
    isOver(await list(BAD));
    isOver(await list(unused.token));
    isOver(await list(`${used.token.slice(0, -1)}${used.token.endsWith('A') ? 'B' : 'A'}`));
    isOver(await list(await issuer.token(jwtKey, { aud: 'another' })));
    expect((await list(used.token)).status).toBe(200);
    expect((await list(await issuer.token(jwtKey))).status).toBe(200);
  });

  it('are counted over all processes, and X-Forwarded-For is not trusted by default', async () => {
    story = await begin({ LOGIN_FAILURES_PER_MINUTE: '3' });
    const { url } = await story.startService();
    await counts(url);
    const ask = (address: string, where?: string) =>
      story.call<Refusal>(
        'GET',
        '/v1/onboardings',
        undefined,
        { ...bearer(BAD), 'x-forwarded-for': address },
        where,
      );
    expect((await ask('192.0.2.1')).status).toBe(401);
    expect((await ask('192.0.2.2')).status).toBe(401);
    expect((await ask('192.0.2.3', url)).status).toBe(401);
    isOver(await ask('192.0.2.4', url));
    isOver(await ask('192.0.2.5'));
  });

  it('make one audit entry for a burst; when the process stops, another entry counts the rest', async () => {
    story = await begin({});
    const service = await story.startService();
    const [last] = await story.sql<{ id: string }>('SELECT coalesce(max(id), 0) AS id FROM audit_events');
    for (let n = 0; n < 7; n++) await readWith(story, BAD, service.url);
    await service.app.close();
    const events = await story.sql(
      `SELECT actor, address, data FROM audit_events WHERE action = 'login_refused' AND id > $1 ORDER BY id`,
      [last!.id],
    );
    expect(events).toMatchObject([
      { actor: 'nobody', address: '127.0.0.1', data: { count: 1 } },
      { actor: 'nobody', address: null, data: { count: 6 } },
    ]);
    expect(JSON.stringify(events)).not.toContain(BAD);
  });

  it('are counted, but requests without a token are not', async () => {
    story = await begin({ LOGIN_FAILURES_PER_MINUTE: '1' });
    for (let n = 0; n < 5; n++) {
      expect((await story.call('GET', '/v1/onboardings', undefined, { authorization: '' })).status).toBe(401);
    }
    expect((await story.call('GET', '/v1/onboardings')).status).toBe(200);
  });
});

describe('a caller', () => {
  it('sees how many requests are left, then gets 429; all processes count together', async () => {
    story = await begin({ RATE_LIMIT_CALLER_PER_MINUTE: '8' });
    const { token } = await makeKey(story, ['onboardings:read', 'onboardings:write']);
    const { url } = await story.startService();
    await counts(url);
    const unknown = '/v1/onboardings/018f6d1c-0000-7000-8000-000000000000';
    const answers = [
      await readWith(story, token),
      await readWith(story, token, url),
      await story.call<Refusal>('GET', unknown, undefined, bearer(token)),
      await story.call<Refusal>('GET', '/v1/admin/api-keys', undefined, bearer(token)),
      await story.call<Refusal>('POST', '/v1/onboardings', '{', bearer(token)),
      await story.call<Refusal>('POST', '/v1/onboardings', { no: 1 }, bearer(token)),
      await story.call<Refusal>('POST', `${unknown}/cancel`, {}, bearer(token)),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 403, 400, 400, 404]);
    expect(answers.map((answer) => limitsOf(answer)['caller'])).toEqual(
      [7, 6, 5, 4, 3, 2, 1]
        .map((r) => ({ q: 8, w: undefined, r, t: expect.any(Number) }))
        .map(({ q, r, t }) => ({ q, r, t })),
    );
    expect(answers[0]!.headers.get('ratelimit-policy')).toBe('"caller";q=8;w=60');
    expect((await readWith(story, token)).status).toBe(200);
    for (const where of [undefined, url]) {
      const over = isOver(await readWith(story, token, where));
      expect(limitsOf(over)['caller']).toMatchObject({ q: 8, r: 0 });
    }
    // Two keys of one caller share its limit. Another caller has its own limit.
    const [mine, others] = [await makeKeyElsewhere('shop'), await makeKeyElsewhere('other')];
    isOver(await readWith(story, mine));
    expect((await readWith(story, others)).status).toBe(200);
  });

  /** Uses the development key, because a request of `caller` would count for the caller's own limit. */
  const makeKeyElsewhere = async (caller: string) =>
    (await makeKey(story, ['onboardings:read'], { caller })).token;

  it('is checked for its scope and its limit before its idempotency key is read', async () => {
    story = await begin({ RATE_LIMIT_CALLER_PER_MINUTE: '4' });
    const { token } = await makeKey(story, ['onboardings:read']);
    const malformed = { ...bearer(token), 'idempotency-key': 'a'.repeat(256) };
    const refused = await story.call<Refusal>('POST', '/v1/onboardings', {}, malformed);
    expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    const { token: starter } = await makeKey(story, ['onboardings:write']);
    const headers = { ...bearer(starter), 'idempotency-key': randomUUID() };
    const subject = story.newSubject();
    expect((await story.start(subject, {}, headers)).status).toBe(201);
    // Two of the four requests are used up.
    for (const status of [201, 201, 429]) {
      expect((await story.start(subject, {}, headers)).status).toBe(status);
    }
    const over = await story.call<Refusal>(
      'POST',
      '/v1/onboardings',
      {},
      { ...headers, 'idempotency-key': malformed['idempotency-key'] },
    );
    expect(over.body.code).toBe('rate_limited');
  });
});

describe('a user (the subject of an onboarding)', () => {
  it('has a limit for starting onboardings, and a limit for commands to one onboarding', async () => {
    story = await begin({ RATE_LIMIT_SUBJECT_PER_MINUTE: '3' });
    const { id, subject } = await story.sent();
    const path = `/v1/onboardings/${id}/otp/verify`;
    for (const left of [2, 1, 0]) {
      const answer = await story.call('POST', path, { code: '' });
      expect(answer.status).toBe(400);
      expect(limitsOf(answer)['subject']).toMatchObject({ q: 3, r: left });
      expect(limitsOf(answer)['caller']).toBeDefined();
    }
    const over = await story.call<Refusal>('POST', path.replace(id, id.toUpperCase()), {
      code: story.code(subject),
    });
    expect(isOver(over).status).toBe(429);
    expect(over.headers.get('ratelimit')).toMatch(/^"subject";r=0;t=\d+, "caller"/);
    expect((await story.get(id)).status).toBe(200);

    const again = [await story.start(subject), await story.start(subject)];
    expect(again.map(({ status }) => status)).toEqual([409, 409]);
    expect(await story.start(subject)).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect((await story.start(story.newSubject())).status).toBe(201);
    // Requests of other callers do not count for this limit. Otherwise they could lock out the owner.
    const { token } = await makeKey(story, ['operations:write']);
    expect((await story.call('POST', `/v1/onboardings/${id}/cancel`, { no: 1 }, bearer(token))).status).toBe(
      400,
    );
  });

  it('over its limit still gets the first answer to a start with the same idempotency key', async () => {
    story = await begin({ RATE_LIMIT_SUBJECT_PER_MINUTE: '2' });
    const subject = story.newSubject();
    const key = { 'idempotency-key': randomUUID() };
    const first = await story.start(subject, {}, key);
    expect((await story.start(subject)).body.code).toBe('onboarding_live');
    expect((await story.start(subject)).body.code).toBe('rate_limited');
    const again = await story.start(subject, {}, key);
    expect(again).toMatchObject({ status: 201, body: first.body });
    expect(again.headers.get('idempotent-replayed')).toBe('true');
  });

  it('is named in no Redis key that counts requests, and neither are callers and addresses', async () => {
    // With these quotas, a process reserves one request at a time.
    story = await begin({ RATE_LIMIT_CALLER_PER_MINUTE: '50', RATE_LIMIT_SUBJECT_PER_MINUTE: '10' });
    const { subject } = await story.sent();
    const keys = await limitKeys();
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(key).not.toMatch(new RegExp(`${subject.userId}|default|127\\.0`));
  });

  it('needs no Redis key for the first commands', async () => {
    story = await begin({ RATE_LIMIT_SUBJECT_PER_MINUTE: '30' });
    const { id } = await story.sent();
    const command = () => story.call('POST', `/v1/onboardings/${id}/otp/verify`, { code: '' });
    for (let n = 0; n < 2; n++) expect((await command()).status).toBe(400);
    expect(await limitKeys()).toEqual([]);
    await command();
    expect(await limitKeys()).toHaveLength(1);
  });
});

async function limitKeys(): Promise<string[]> {
  const redis = new Redis(story.env['REDIS_URL']!);
  const keys = await redis.keys(`${story.env['QUEUE_PREFIX']!}:limit:*`);
  redis.disconnect();
  return keys.sort();
}

describe('request limits', () => {
  it('apply to each process separately while Redis is down', async () => {
    const dead = `redis://127.0.0.1:${await closedPort()}`;
    story = await begin({
      RATE_LIMIT_CALLER_PER_MINUTE: '3',
      LOGIN_FAILURES_PER_MINUTE: '2',
      REDIS_URL: dead,
    });
    const { url } = await story.startService();
    for (const where of [undefined, url]) {
      for (const left of [2, 1, 0]) {
        const answer = await readWith(story, API_KEY, where);
        expect(answer.status).toBe(200);
        expect(limitsOf(answer)['caller']).toMatchObject({ r: left });
      }
      isOver(await readWith(story, API_KEY, where));
      for (const status of [401, 401, 429]) expect((await readWith(story, BAD, where)).status).toBe(status);
    }
  });

  it('delay no request while Redis hangs', async () => {
    story = await begin({});
    const redis = await story.proxyTo('REDIS_URL');
    const { url } = await story.startService({ REDIS_URL: redis.url, RATE_LIMIT_CALLER_PER_MINUTE: '3' });
    await counts(url);
    redis.stall();
    for (let n = 0; n < 3; n++) {
      expect((await within(1_900, readWith(story, API_KEY, url))).status).toBe(200);
    }
    isOver(await readWith(story, API_KEY, url));
  });
});
