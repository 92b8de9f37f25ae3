import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { UnsecuredJWT } from 'jose';
import type { Clock } from '#libs/kernel';
import { testConfig } from '#libs/testing';
import { TokenIssuer } from '../../../test/support/token-issuer.js';
import { BadToken, JwtLogin } from './jwt-login.js';

const COOLDOWN_MS = 30_000;

let issuer: TokenIssuer;
let key: Awaited<ReturnType<TokenIssuer['newKey']>>;
let nowMs: number;
beforeAll(async () => {
  issuer = await TokenIssuer.start();
  key = await issuer.newKey('first');
});
afterAll(() => issuer.close());
beforeEach(() => {
  nowMs = 0;
  issuer.failing = false;
  issuer.published = [key.publicJwk];
});

/** A process that has not fetched any keys yet. */
function aLogin(env: Record<string, string> = {}): JwtLogin {
  const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => nowMs };
  const config = testConfig({ ...issuer.env, JWT_JWKS_COOLDOWN_MS: String(COOLDOWN_MS), ...env });
  return new JwtLogin(config, clock);
}

const nowS = () => Math.floor(Date.now() / 1_000);
const endOf = (login: JwtLogin, token: string) => login.login(token).catch((error: unknown) => error);

describe('the caller of a JWT', () => {
  it.each<[string, object, object]>([
    ['the name in the claim sub, and all integrations', {}, { name: 'shop', integrations: null }],
    [
      'scopes in a text',
      { scope: 'admin onboardings:read' },
      { scopes: new Set(['admin', 'onboardings:read']) },
    ],
    ['scopes in a list', { scope: ['admin'] }, { scopes: new Set(['admin']) }],
    ['only the scopes that we know', { scope: 'openid admin' }, { scopes: new Set(['admin']) }],
    ['no scopes if none are given', { scope: undefined }, { scopes: new Set() }],
    ['integrations in a list', { integrations: ['a', 'b'] }, { integrations: new Set(['a', 'b']) }],
    ['integrations in a text', { integrations: 'a b' }, { integrations: new Set(['a', 'b']) }],
    // An empty list must never mean all integrations.
    ['no integration', { integrations: [] }, { integrations: new Set() }],
  ])('has %s', async (_, claims, caller) => {
    expect(await aLogin().login(await issuer.token(key, claims))).toMatchObject(caller);
  });

  it('is read from the configured claims', async () => {
    const login = aLogin({ JWT_CALLER_CLAIM: 'client_id', JWT_SCOPE_CLAIM: 'roles' });
    const token = await issuer.token(key, { client_id: 'till', roles: ['admin'] });
    expect(await login.login(token)).toMatchObject({ name: 'till', scopes: new Set(['admin']) });
  });
});

describe('an invalid JWT', () => {
  it.each<[string, object, Record<string, unknown>?]>([
    ['the token has expired', { exp: nowS() - 60 }],
    ['claim exp is missing', { exp: undefined }],
    ['claim sub is missing', { sub: undefined }],
    ['claim iss is not JWT_ISSUER', { iss: 'https://another.example.com' }],
    ['claim aud is not JWT_AUDIENCE', { aud: 'another' }],
    ['claim aud is missing', { aud: undefined }],
    ['claim nbf is in the future', { nbf: nowS() + 600 }],
    ['claim nbf is of the wrong type', { nbf: 'soon' }],
    ['claim exp is of the wrong type', { exp: 'late' }],
    ['claim sub is not a name of 1 to 255 printable characters', { sub: '' }],
    ['claim sub is not a name of 1 to 255 printable characters', { sub: 'a\u202eb' }],
    ['claim scope is not a list of scopes', { scope: { admin: true } }],
    ['claim scope is not a list of scopes', { scope: ['admin', 1] }],
    ['claim integrations is not a list of names', { integrations: null }],
    ['claim integrations is not a list of names', { integrations: { byzantine: true } }],
    ['the issuer publishes no key for the token’s kid and alg', {}, { kid: 'unknown' }],
  ])('is refused with the reason: %s', async (reason, claims, header = {}) => {
    expect(await endOf(aLogin(), await issuer.token(key, claims, header))).toEqual(new BadToken(reason));
  });

  it('is refused if its type is not JWT_TYPE', async () => {
    const login = aLogin({ JWT_TYPE: 'at+jwt' });
    expect(await endOf(login, await issuer.token(key))).toEqual(new BadToken('claim typ is not JWT_TYPE'));
    expect(await endOf(login, await issuer.token(key, {}, { typ: 'at+jwt' }))).toMatchObject({
      name: 'shop',
    });
  });

  it('is refused with a reason that repeats no part of the token', async () => {
    const token = await issuer.token(key, { aud: 'word-of-the-token' });
    expect(String(((await endOf(aLogin(), token)) as Error).message)).not.toContain('word-of-the-token');
  });

  it.each([
    [
      'is signed by another key',
      async () => issuer.token({ ...(await issuer.newKey('first', { publish: false })) }),
    ],
    [
      'is not signed at all',
      async () =>
        new UnsecuredJWT({ sub: 'shop', scope: 'admin' })
          .setIssuer(issuer.name)
          .setAudience(issuer.audience)
          .setExpirationTime('5m')
          .encode(),
    ],
    ['is no JWT', async () => 'a.b.c'],
  ])('is refused if it %s', async (_, token) => {
    expect(await endOf(aLogin(), await token())).toBeInstanceOf(BadToken);
  });

  it('is refused if no issuer is configured', async () => {
    const login = new JwtLogin(testConfig(), { nowMs: () => 0, monotonicMs: () => 0 });
    expect(await endOf(login, 'a.b.c')).toEqual(new BadToken('no issuer is configured'));
  });
});

describe('a JWT without a key id', () => {
  const withoutId = { kid: undefined } as unknown as Record<string, unknown>;

  it('is tried with each key that fits its algorithm', async () => {
    for (let n = 0; n < 5; n++) await issuer.newKey(`other-${n}`);
    issuer.published.reverse();
    expect(await aLogin().login(await issuer.token(key, {}, withoutId))).toMatchObject({ name: 'shop' });
  });

  it('is tried with ten keys at most', async () => {
    for (let n = 0; n < 10; n++) await issuer.newKey(`other-${n}`);
    issuer.published.push(issuer.published.shift()!);
    const end = await endOf(aLogin(), await issuer.token(key, {}, withoutId));
    expect(end).toEqual(new BadToken('the signature is wrong'));
  });

  it('is refused because of a wrong claim, even if one of the keys has signed it', async () => {
    await issuer.newKey('other');
    const end = await endOf(aLogin(), await issuer.token(key, { aud: 'another' }, withoutId));
    expect(end).toEqual(new BadToken('claim aud is not JWT_AUDIENCE'));
  });
});

describe('a login while the issuer does not answer', () => {
  it('fails with not_ready, and asks the issuer again only after the cooldown', async () => {
    const login = aLogin();
    const token = await issuer.token(key);
    issuer.failing = true;
    const before = issuer.asked;
    for (let n = 0; n < 3; n++) {
      expect(await endOf(login, token)).toMatchObject({ code: 'not_ready', status: 503, retryAfterS: 2 });
    }
    expect(issuer.asked - before).toBe(1);
    issuer.failing = false;
    nowMs = COOLDOWN_MS - 1;
    expect(await endOf(login, token)).toMatchObject({ code: 'not_ready' });
    nowMs = COOLDOWN_MS;
    expect(await endOf(login, token)).toMatchObject({ name: 'shop' });
    expect(issuer.asked - before).toBe(2);
  });

  it('still uses the keys that were fetched before', async () => {
    const login = aLogin();
    const token = await issuer.token(key);
    await login.login(token);
    issuer.failing = true;
    expect(await endOf(login, token)).toMatchObject({ name: 'shop' });
    // The fetched keys do not contain this key.
    expect(await endOf(login, await issuer.token(key, {}, { kid: 'unknown' }))).toBeInstanceOf(BadToken);
  });
});
