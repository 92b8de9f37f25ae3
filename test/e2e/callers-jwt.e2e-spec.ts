import { createHmac, createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bearer, makeKey, readWith, type Refusal } from './callers.js';
import { closedPort } from './gate.js';
import { Story } from './story.js';
import { TokenIssuer } from './token-issuer.js';

interface Case {
  what: string;
  claims: object;
}

type Key = Awaited<ReturnType<TokenIssuer['newKey']>>;

let story: Story;
let issuer: TokenIssuer;
let key: Key;
let rsa: Key;
beforeAll(async () => {
  issuer = await TokenIssuer.start();
  key = await issuer.newKey('first');
  rsa = await issuer.newKey('rsa', { alg: 'RS256' });
  story = await Story.begin({ worker: false, env: { ...issuer.env, JWT_JWKS_COOLDOWN_MS: '0' } });
});
afterAll(async () => {
  await story.end();
  await issuer.close();
});

const statusOf = async (token: string, url?: string) => (await readWith(story, token, url)).status;
const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowS = () => Math.floor(Date.now() / 1_000);

describe('a JWT of the issuer', () => {
  it('opens what its scopes are for, beside API keys', async () => {
    expect(await statusOf(await issuer.token(key))).toBe(200);
    expect(await statusOf(await issuer.token(rsa))).toBe(200);
    expect(await statusOf((await makeKey(story, ['onboardings:read'])).token)).toBe(200);
    const admin = await issuer.token(key, { scope: ['admin', 'of:another-service'] });
    const listed = await story.call('GET', '/v1/admin/api-keys', undefined, bearer(admin));
    expect(listed.status).toBe(200);
    const made = await story.call(
      'POST',
      '/v1/admin/api-keys',
      { caller: 'x', scopes: ['admin'] },
      bearer(admin),
    );
    expect(made.body).toMatchObject({ createdBy: 'caller:shop' });
  });

  it.each<Case>([
    { what: 'no scope', claims: { scope: undefined } },
    { what: 'scopes of another service', claims: { scope: 'read write of:another' } },
    { what: 'a scope that only looks like ours', claims: { scope: 'onboardings:readx,onboardings:read' } },
  ])('with $what opens nothing', async ({ claims }) => {
    const answer = await readWith(story, await issuer.token(key, claims));
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  it('keeps to its integrations', async () => {
    const subject = story.newSubject();
    for (const [integrations, status] of [
      [['elsewhere'], 403],
      [[], 403],
      ['elsewhere other', 403],
      [['byzantine'], 201],
    ] as const) {
      const token = await issuer.token(key, { scope: 'onboardings:write', integrations });
      expect((await story.start(subject, {}, bearer(token))).status).toBe(status);
    }
  });

  it('may be a little late, as clocks are, and no more', async () => {
    expect(await statusOf(await issuer.token(key, { exp: nowS() - 10 }))).toBe(200);
    expect(await statusOf(await issuer.token(key, { nbf: nowS() + 10 }))).toBe(200);
    expect(await statusOf(await issuer.token(key, { exp: nowS() - 40 }))).toBe(401);
    expect(await statusOf(await issuer.token(key, { nbf: nowS() + 40 }))).toBe(401);
  });
});

describe('an issuer whose keys cannot be had', () => {
  it('is not asked again for every token that comes', async () => {
    const broken = await TokenIssuer.start();
    story.atEnd(() => broken.close());
    const { url } = await story.startService({ ...broken.env, JWT_JWKS_COOLDOWN_MS: '60000' });
    const signed = await broken.newKey('k1');
    broken.failing = true;
    for (let n = 0; n < 5; n++)
      expect((await readWith(story, await broken.token(signed), url)).status).toBe(503);
    expect(broken.asked).toBe(1);
  });
});

describe('what is no JWT of the issuer', () => {
  it.each<Case>([
    { what: 'for another service', claims: { aud: 'another' } },
    { what: 'for nobody', claims: { aud: undefined } },
    { what: 'of another issuer', claims: { iss: 'https://other.example.com' } },
    { what: 'of no issuer', claims: { iss: undefined } },
    { what: 'for good', claims: { exp: undefined } },
    { what: 'of nobody', claims: { sub: undefined } },
    { what: 'of somebody whose name is none', claims: { sub: 'Robert"; DROP TABLE' } },
    { what: 'with integrations that cannot be read', claims: { integrations: 7 } },
    { what: 'with scopes that cannot be read', claims: { scope: { admin: true } } },
  ])('is refused: $what', async ({ claims }) => {
    const answer = await readWith(story, await issuer.token(key, claims));
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  it('is refused: of another type, where one is asked for (RFC 9068 §4)', async () => {
    const { url } = await story.startService({ ...issuer.env, JWT_TYPE: 'at+jwt' });
    const of = async (typ?: string) =>
      (await readWith(story, await issuer.token(key, {}, typ ? { typ } : {}), url)).status;
    expect(await of('at+jwt')).toBe(200);
    expect(await of('application/at+jwt')).toBe(200);
    for (const typ of ['JWT', 'id_token', undefined]) expect(await of(typ)).toBe(401);
  });

  it('is refused: unsigned, signed with what is public, by somebody else, or changed', async () => {
    const claims = {
      iss: issuer.name,
      aud: issuer.audience,
      sub: 'shop',
      scope: 'admin onboardings:read',
      exp: nowS() + 300,
    };
    const pem = createPublicKey({ key: rsa.publicJwk as object, format: 'jwk' } as never).export({
      type: 'spki',
      format: 'pem',
    });
    const hmac = (header: object, secret: string | Buffer) => {
      const input = `${base64url(header)}.${base64url(claims)}`;
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
    };
    const good = await issuer.token(key);
    const [header, , signature] = good.split('.');
    const stranger = await issuer.newKey('first', { publish: false });
    const unheardOf = await issuer.newKey('unheard-of', { publish: false });
    const forged: Record<string, string> = {
      'alg none': `${base64url({ alg: 'none' })}.${base64url(claims)}.`,
      'alg None': `${base64url({ alg: 'None', kid: 'first' })}.${base64url(claims)}.AA`,
      'HS256 with the public key as PEM': hmac({ alg: 'HS256', kid: 'rsa' }, pem as string),
      'HS256 with the public modulus': hmac(
        { alg: 'HS256', kid: 'rsa' },
        Buffer.from(rsa.publicJwk.n!, 'base64url'),
      ),
      'HS256 with an empty secret': hmac({ alg: 'HS256', kid: 'rsa' }, ''),
      'a key of the same id': await issuer.token(stranger),
      'a key that nobody published': await issuer.token(unheardOf),
      'a key that it brings along': await issuer.token(unheardOf, {}, { jwk: unheardOf.publicJwk }),
      'a key from an address that it names': await issuer.token(unheardOf, {}, { jku: issuer.url }),
      'other claims': `${header}.${base64url(claims)}.${signature}`,
      'no signature': `${header}.${base64url(claims)}.`,
      'no JSON': 'a.b.c',
      'an unknown critical extension': `${base64url({ alg: 'ES256', kid: 'first', crit: ['x'], x: 1 })}.${base64url(claims)}.${signature}`,
    };
    for (const [what, token] of Object.entries(forged)) {
      expect([what, await statusOf(token)]).toEqual([what, 401]);
    }
  });

  it('is refused: signed by an algorithm that is not on our list, though the issuer publishes its key', async () => {
    const unlisted = await issuer.newKey('unlisted', { alg: 'ML-DSA-44' });
    expect(await statusOf(await issuer.token(unlisted))).toBe(401);
  });

  it('is refused where no issuer is configured', async () => {
    const { url } = await story.startService({ JWT_ISSUER: '', JWT_AUDIENCE: '', JWT_JWKS_URL: '' });
    expect(await statusOf(await issuer.token(key), url)).toBe(401);
  });
});

describe('keys of the issuer', () => {
  it('may be exchanged: a new one is found by its id, one that is gone opens nothing', async () => {
    const old = await issuer.newKey('old');
    expect(await statusOf(await issuer.token(old))).toBe(200);
    const next = await issuer.newKey('next', { publish: false });
    issuer.published = issuer.published.filter(({ kid }) => kid !== 'old').concat(next.publicJwk);
    expect(await statusOf(await issuer.token(next))).toBe(200);
    expect(await statusOf(await issuer.token(old))).toBe(401);
  });

  it('are not asked for with every token that names an unknown one', async () => {
    const { url } = await story.startService({ JWT_JWKS_COOLDOWN_MS: '60000' });
    expect(await statusOf(await issuer.token(key), url)).toBe(200);
    const before = issuer.asked;
    const unheardOf = await issuer.newKey('guess', { publish: false });
    for (let n = 0; n < 5; n++) expect(await statusOf(await issuer.token(unheardOf), url)).toBe(401);
    expect(issuer.asked).toBe(before);
  });

  it.each(['away', 'no key server at all'])('%s: 503 and never 401, until there are some', async (what) => {
    const elsewhere = `http://127.0.0.1:${await closedPort()}/jwks.json`;
    const { url } = await story.startService({
      JWT_JWKS_URL: what === 'away' ? elsewhere : `${story.sandbox.url}/nothing`,
    });
    const answer = await readWith(story, await issuer.token(key), url);
    expect(answer).toMatchObject({ status: 503, body: { code: 'not_ready' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await story.call<Refusal>('GET', '/v1/onboardings', undefined, {}, url)).status).toBe(200);
  });

  it('away: those that are known go on', async () => {
    const own = await TokenIssuer.start();
    const mine = await own.newKey('mine');
    const { url } = await story.startService(own.env);
    expect(await statusOf(await own.token(mine), url)).toBe(200);
    await own.close();
    expect(await statusOf(await own.token(mine), url)).toBe(200);
  });
});
