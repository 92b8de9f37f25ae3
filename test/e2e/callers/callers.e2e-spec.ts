import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SCOPES, type Scope } from '#libs/kernel';
import { until } from '#libs/testing';
import { bearer, makeKey, readWith, type MadeKey, type Refusal } from '../../support/callers.js';
import { API_KEY, Story } from '../../support/story.js';

const KEYS = '/v1/admin/api-keys';

let story: Story;
/** The URL of a replica that caches API keys for a shorter time. */
let replica: string;
beforeAll(async () => {
  story = await Story.begin({ worker: false, env: { API_KEY_CACHE_MS: '60000' } });
  replica = (await story.startService({ API_KEY_CACHE_MS: '200' })).url;
});
afterAll(() => story.end());

const statusOf = async (token: string, url?: string) => (await readWith(story, token, url)).status;

describe('an API key', () => {
  it('is shown once, permits the routes of its scopes, and is stored nowhere', async () => {
    const { token, id } = await makeKey(story, ['onboardings:read'], { name: 'till 3' });
    expect(token).toMatch(new RegExp(`^gw_${id}_[A-Za-z0-9_-]{43}$`));
    expect(await statusOf(token)).toBe(200);

    const { body } = await story.call<{ items: Record<string, unknown>[] }>('GET', KEYS);
    const listed = body.items.find((item) => item['id'] === id);
    expect(listed).toMatchObject({
      caller: 'shop',
      name: 'till 3',
      state: 'active',
      createdBy: 'caller:default',
    });
    const secret = token.slice(-43);
    const [row] = await story.sql<{ dump: string }>(
      `SELECT (SELECT string_agg(k::text, ' ') FROM api_keys k)
         || (SELECT string_agg(a::text, ' ') FROM audit_events a) AS dump`,
    );
    const hex = Buffer.from(secret, 'base64url').toString('hex');
    for (const sink of [JSON.stringify(body), row!.dump]) {
      expect(sink).not.toContain(secret);
      expect(sink).not.toContain(hex);
    }
    expect(listed).not.toHaveProperty('token');
    expect(JSON.stringify(listed)).not.toMatch(/hash/i);
  });

  it('is refused if any part of the token is wrong', async () => {
    const { token, id } = await makeKey(story, ['onboardings:read']);
    const other = await makeKey(story, ['onboardings:read']);
    const [row] = await story.sql<{ hash: string }>(
      `SELECT encode(secret_hash, 'base64') AS hash FROM api_keys WHERE id = $1`,
      [id],
    );
    const hash = Buffer.from(row!.hash, 'base64').toString('base64url');
    const secret = token.slice(-43);
    for (const bad of [
      `gw_${id}_${other.token.slice(-43)}`,
      `gw_${'0'.repeat(20)}_${secret}`,
      `gw_${id.toUpperCase()}_${secret}`,
      `gw_${id}_${hash}`,
      `gw_${id}_`,
      `gw_${id}`,
      'gw_',
      token.slice(0, -1),
      `${token}=`,
      `${token}x`,
      token.toUpperCase(),
      token.slice(3),
      `GW_${token.slice(3)}`,
    ]) {
      const answer = await readWith(story, bad);
      expect([bad, answer.status, answer.body.code]).toEqual([bad, 401, 'unauthenticated']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer .*error="invalid_token"/);
      expect(JSON.stringify(answer.body)).not.toContain(secret);
    }
    expect(await statusOf(token)).toBe(200);
    const nothing = await story.call<Refusal>('GET', '/v1/onboardings', undefined, { authorization: '' });
    expect(nothing.status).toBe(401);
    expect(nothing.headers.get('www-authenticate')).toBe('Bearer realm="gangway"');
  });

  it('is accepted only as a bearer token', async () => {
    const { token } = await makeKey(story, ['onboardings:read']);
    const ask = async (authorization: string) =>
      (await story.call('GET', '/v1/onboardings?limit=1', undefined, { authorization })).status;
    for (const good of [`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}`]) {
      expect([good, await ask(good)]).toEqual([good, 200]);
    }
    const basic = `Basic ${Buffer.from(`shop:${token}`).toString('base64')}`;
    for (const bad of [
      token,
      'Bearer',
      `Bearer ${token} ${token}`,
      `Bearer,${token}`,
      `Token ${token}`,
      basic,
    ]) {
      expect([bad, await ask(bad)]).toEqual([bad, 401]);
    }
    const inQuery = await story.call('GET', `/v1/onboardings?access_token=${token}`, undefined, {
      authorization: '',
    });
    expect(inQuery.status).toBe(401);
  });

  it('is refused after its expiry, although it is cached', async () => {
    const { token, id } = await makeKey(story, ['onboardings:read'], { expiresInS: 3_600 });
    const soon = `UPDATE api_keys SET expires_at = clock_timestamp() + interval '3 s' WHERE id = $1`;
    await story.sql(soon, [id]);
    expect(await statusOf(token)).toBe(200);
    await until('it is over', async () => (await statusOf(token)) === 401);
    const { body } = await story.call<{ items: MadeKey[] }>('GET', KEYS);
    expect(body.items.find((item) => item.id === id)).toMatchObject({ state: 'expired' });
  });

  it('is refused immediately by the replica that revokes it, and soon by other replicas', async () => {
    const { token, id } = await makeKey(story, ['onboardings:read']);
    expect([await statusOf(token), await statusOf(token, replica)]).toEqual([200, 200]);
    const revoked = await story.call('POST', `${KEYS}/${id}/revoke`);
    expect(revoked).toMatchObject({ status: 200, body: { id, state: 'revoked' } });
    expect(await statusOf(token)).toBe(401);
    await until('the other has heard of it', async () => (await statusOf(token, replica)) === 401);
    expect((await story.call('POST', `${KEYS}/${id}/revoke`)).status).toBe(200);
  });

  it('records its last use, but not with every request', async () => {
    const { token, id } = await makeKey(story, ['onboardings:read']);
    const lastUse = async () =>
      (
        await story.sql<{ at: Date | null }>('SELECT last_used_at AS at FROM api_keys WHERE id = $1', [id])
      )[0]!.at;
    expect(await lastUse()).toBeNull();
    await statusOf(token, replica);
    const first = await until('it is noted', lastUse);
    await story.sql(
      `UPDATE api_keys SET last_used_at = clock_timestamp() - interval '2 minutes' WHERE id = $1`,
      [id],
    );
    const old = (await lastUse())!;
    expect(old.getTime()).toBeLessThan(first.getTime());
    await until('it is noted again', async () => {
      await statusOf(token, replica);
      return (await lastUse())! > old;
    });
    const noted = await lastUse();
    await statusOf(token, replica);
    await statusOf(token);
    expect(await lastUse()).toEqual(noted);
  });
});

describe('the rotation of an API key', () => {
  it('makes a key with the same rights, and the old key stays valid during the overlap', async () => {
    const old = await makeKey(story, ['operations:read'], {
      integrations: ['byzantine'],
      expiresInS: 86_400,
    });
    const path = `${KEYS}/${old.id}/rotate`;
    const { status, body } = await story.call<MadeKey>('POST', path, { overlapS: 3_600 });
    expect(status).toBe(201);
    expect(body).toMatchObject({ caller: 'shop', scopes: ['operations:read'], integrations: ['byzantine'] });
    expect(Date.parse(body.expiresAt!)).toBeGreaterThan(Date.now() + 86_000_000);
    expect([await statusOf(old.token), await statusOf(body.token)]).toEqual([200, 200]);
    const { body: list } = await story.call<{ items: MadeKey[] }>('GET', KEYS);
    const left = list.items.find(({ id }) => id === old.id)!;
    expect(left.rotatedTo).toBe(body.id);
    expect(Math.abs(Date.parse(left.expiresAt!) - Date.now() - 3_600_000)).toBeLessThan(60_000);

    expect(await story.call('POST', path, {})).toMatchObject({
      status: 409,
      body: { code: 'illegal_state' },
    });
  });

  it('ends the old key immediately if no overlap is requested', async () => {
    const old = await makeKey(story, ['operations:read']);
    expect(await statusOf(old.token)).toBe(200);
    const { body } = await story.call<MadeKey>('POST', `${KEYS}/${old.id}/rotate`, { overlapS: 0 });
    expect([await statusOf(old.token), await statusOf(body.token)]).toEqual([401, 200]);
    expect(body.expiresAt).toBeNull();
  });

  it('is done once if it is requested many times at the same time', async () => {
    const old = await makeKey(story, ['operations:read']);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => story.call('POST', `${KEYS}/${old.id}/rotate`, {})),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409]);
  });
});

describe('the administration of API keys', () => {
  it('refuses an Idempotency-Key, because the answer contains a token', async () => {
    const { id } = await makeKey(story, ['onboardings:read']);
    const before = (await story.sql('SELECT 1 FROM api_keys')).length;
    for (const path of [KEYS, `${KEYS}/${id}/rotate`]) {
      const body = path === KEYS ? { caller: 'shop', scopes: ['admin'] } : {};
      const answer = await story.call('POST', path, body, { 'idempotency-key': 'once' });
      expect(answer).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
      expect(answer.body.detail).toContain('token');
    }
    expect(await story.sql('SELECT 1 FROM api_keys')).toHaveLength(before);
  });

  it.each([
    [{ caller: 'Shop', scopes: ['admin'] }, '/caller'],
    [{ caller: 'shop', scopes: [] }, '/scopes'],
    [{ caller: 'shop', scopes: ['root'] }, '/scopes/0'],
    [{ caller: 'shop', scopes: ['admin'], integrations: [] }, '/integrations'],
    [{ caller: 'shop', scopes: ['admin'], secret: 'mine' }, ''],
  ])('refuses the body %j', async (body, pointer) => {
    const answer = await story.call('POST', KEYS, body);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer }] } });
  });

  it('answers 404 for an unknown key', async () => {
    for (const command of ['rotate', 'revoke']) {
      const answer = await story.call('POST', `${KEYS}/${'0'.repeat(20)}/${command}`, {});
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
  });

  it('is audited with actor, action, key and address, and without the secret', async () => {
    const { id, token } = await makeKey(story, ['onboardings:read'], { caller: 'audited' });
    const { body } = await story.call<MadeKey>('POST', `${KEYS}/${id}/rotate`, {});
    await story.call('POST', `${KEYS}/${body.id}/revoke`);
    const events = await story.sql<{ action: string; target: string; data: object }>(
      `SELECT actor, action, target, address, data FROM audit_events WHERE target IN ($1, $2) ORDER BY id`,
      [id, body.id],
    );
    const who = { actor: 'caller:default', address: '127.0.0.1' };
    expect(events).toMatchObject([
      {
        ...who,
        action: 'api_key_created',
        target: id,
        data: { caller: 'audited', scopes: ['onboardings:read'] },
      },
      { ...who, action: 'api_key_rotated', target: id, data: { to: body.id } },
      { ...who, action: 'api_key_revoked', target: body.id },
    ]);
    expect(JSON.stringify(events)).not.toContain(token.slice(-43));
  });
});

interface Operation {
  'x-required-scopes'?: Scope[];
  security?: { bearer: string[] }[];
}

describe('scopes', () => {
  it('permit exactly the routes that the OpenAPI document lists for them', async () => {
    const { body } = await story.call<{ paths: Record<string, Record<string, Operation>> }>(
      'GET',
      '/openapi.json',
    );
    const keys = new Map<Scope, string>();
    for (const scope of SCOPES) keys.set(scope, (await makeKey(story, [scope])).token);
    const routes = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        path,
        method: method.toUpperCase(),
        operation,
      })),
    );
    expect(routes.length).toBeGreaterThan(12);
    for (const { path, method, operation } of routes) {
      const needed = operation['x-required-scopes'] ?? [];
      expect([path, needed.length > 0]).toEqual([path, true]);
      expect(operation.security).toEqual(needed.map((scope) => ({ bearer: [scope] })));
      for (const [scope, token] of keys) {
        const unknownId = path.includes('admin') ? '0'.repeat(20) : '018f6d1c-0000-7000-8000-000000000000';
        // The body is invalid, so that even a permitted request changes nothing.
        const content = method === 'GET' ? undefined : { no: 'such member' };
        const url = path.replace('{id}', unknownId);
        const answer = await story.call<Refusal>(method, url, content, bearer(token));
        const open = answer.status !== 403;
        expect([method, path, scope, open]).toEqual([method, path, scope, needed.includes(scope)]);
        if (open) continue;
        expect(answer.body.code).toBe('forbidden');
        expect(answer.headers.get('www-authenticate')).toContain(
          `error="insufficient_scope", scope="${needed.join(' ')}"`,
        );
      }
    }
  });

  it('are all given to the development key', async () => {
    expect((await story.call('GET', KEYS, undefined, bearer(API_KEY))).status).toBe(200);
  });
});

describe('a request to start an onboarding', () => {
  it('is refused without access to the integration, even if the request does not name one', async () => {
    const { token } = await makeKey(story, ['onboardings:write'], { integrations: ['elsewhere'] });
    const subject = story.newSubject();
    for (const more of [{}, { integration: 'byzantine' }, { integration: 'nowhere' }]) {
      const answer = await story.start(subject, more, bearer(token));
      expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
    // The key permits `elsewhere`, so the answer may say that this integration is not configured.
    const own = await story.start(subject, { integration: 'elsewhere' }, bearer(token));
    expect(own).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
    expect(story.calls(subject, 'init-otp')).toBe(0);

    const { token: good } = await makeKey(story, ['onboardings:write'], { integrations: ['byzantine'] });
    expect((await story.start(subject, {}, bearer(good))).status).toBe(201);
  });
});

describe('while PostgreSQL is down', () => {
  it('a cached key still works, and a request with any other key gets 503, never 401', async () => {
    const database = await story.proxyTo('DATABASE_URL');
    const { url } = await story.startService({ DATABASE_URL: database.url });
    const known = await makeKey(story, ['onboardings:read']);
    const unknown = await makeKey(story, ['onboardings:read']);
    expect(await statusOf(known.token, url)).toBe(200);
    await database.close();
    // 403, because the key lacks the scope of this route.
    const ask = (token: string) => story.call<Refusal>('GET', KEYS, undefined, bearer(token), url);
    expect(await ask(known.token)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect(await ask(unknown.token)).toMatchObject({ status: 503, body: { code: 'not_ready' } });
    expect(await ask(`gw_${'0'.repeat(20)}_${'A'.repeat(43)}`)).toMatchObject({ status: 503 });
    await database.open();
    await until('it is back', async () => (await ask(unknown.token)).status === 403);
  });
});

describe('two tokens in one request', () => {
  it('are refused, whether the valid token comes first or second', async () => {
    const { token } = await makeKey(story, ['onboardings:read']);
    const { hostname, port } = new URL(story.serviceUrl);
    for (const order of [
      [token, 'x'],
      ['x', token],
      [token, token],
    ]) {
      const head = order.map((each) => `Authorization: Bearer ${each}\r\n`).join('');
      const answer = await rawAnswer(
        Number(port),
        hostname,
        `GET /v1/onboardings HTTP/1.1\r\nHost: x\r\n${head}Connection: close\r\n\r\n`,
      );
      expect(answer).toMatch(/^HTTP\/1\.1 401 /);
    }
  });
});

async function rawAnswer(port: number, host: string, bytes: string): Promise<string> {
  const socket = connect(port, host, () => socket.write(bytes));
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return said;
}

describe('the log of the service', () => {
  it('names the caller and the address of a request', async () => {
    const service = await story.startProcess('onboarding', { LOG_LEVEL: 'info' });
    const { token } = await makeKey(story, ['onboardings:read'], { caller: 'till' });
    expect((await readWith(story, token, service.url)).status).toBe(200);
    const refused = await story.call<Refusal>('POST', '/v1/onboardings', {}, bearer(token), service.url);
    expect(refused).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    const line = await until('the line', () =>
      service.said.split('\n').find((each) => each.includes('"status":403')),
    );
    expect(JSON.parse(line)).toMatchObject({
      caller: 'till',
      address: '127.0.0.1',
      method: 'POST',
      route: '/v1/onboardings',
      status: 403,
    });
    expect(service.said).not.toContain(token.slice(-43));
  });
});
