import { createHmac, createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { bearer, makeKey, readWith, type Refusal } from '../../support/callers.js';
import { closedPort } from '../../support/ports.js';
import { Story } from '../../support/story.js';
import { TokenIssuer } from '../../support/token-issuer.js';

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
  it('permits the routes of its scopes, and API keys still work', async () => {
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
    { what: 'a scope that only resembles ours', claims: { scope: 'onboardings:readx,onboardings:read' } },
  ])('is answered with 403 if it has $what', async ({ claims }) => {
    const answer = await readWith(story, await issuer.token(key, claims));
    expect(answer).toMatchObject({ status: 403, body: { code: 'forbidden' } });
  });

  it('can start onboardings only at the integrations that the token names', async () => {
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

  it('is accepted 10 s before nbf or after exp, and refused 40 s before or after them', async () => {
    expect(await statusOf(await issuer.token(key, { exp: nowS() - 10 }))).toBe(200);
    expect(await statusOf(await issuer.token(key, { nbf: nowS() + 10 }))).toBe(200);
    expect(await statusOf(await issuer.token(key, { exp: nowS() - 40 }))).toBe(401);
    expect(await statusOf(await issuer.token(key, { nbf: nowS() + 40 }))).toBe(401);
  });
});

/** Values of `sub`, mostly from the documentation of identity providers. */
const SUBJECTS = {
  'Auth0, a machine': 'dGhpcyBpcyBub3QgYSBrZXk@clients',
  'Auth0, a user': 'auth0|64b0f1e2a3',
  'Okta, a machine': '0oa1gjh63g214q0Hq0g4',
  'Entra ID': 'AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ',
  Keycloak: 'service-account-Shop_API',
  Cognito: '1example23456789',
  Google: '110169484474386276334',
  Kubernetes: 'system:serviceaccount:payments:shop',
  SPIFFE: 'spiffe://example.org/ns/payments/sa/shop',
  'GitHub Actions': 'repo:octo-org/octo-repo:ref:refs/heads/main',
  AWS: 'arn:aws:sts::123456789012:assumed-role/Shop/i-0123456789abcdef0',
  LDAP: 'CN=Shop Service, OU=Payments, DC=example',
  'a word of our own': 'service',
  'quotes and markup': `Robert'"; DROP TABLE <b>&amp;`,
  'another script': 'магазин-店',
  '255 of four bytes each': '🛒'.repeat(255),
};

describe('the name of a JWT’s caller', () => {
  const scope = 'onboardings:read onboardings:write';
  const startAs = async (sub: string, headers: Record<string, string> = {}) => {
    const as = { ...bearer(await issuer.token(key, { sub, scope })), ...headers };
    return { as, started: await story.start(story.newSubject(), {}, as) };
  };

  it.each(Object.entries(SUBJECTS))('is stored unchanged: %s', async (_, sub) => {
    const { as, started } = await startAs(sub, { 'idempotency-key': crypto.randomUUID() });
    expect(started).toMatchObject({ status: 201, body: { caller: sub } });
    const path = `/v1/onboardings/${started.body.id}`;
    expect((await story.call('GET', path, undefined, as)).status).toBe(200);
    expect((await story.call('POST', `${path}/cancel`, {}, as)).status).toBe(200);
    const events = await story.call<{ items: { actor: string }[] }>('GET', `${path}/events`, undefined, as);
    expect(new Set(events.body.items.map(({ actor }) => actor))).toEqual(
      new Set(['caller', 'service', 'upstream']),
    );
    const listed = await story.call<{ items: { id: string }[] }>(
      'GET',
      `/v1/onboardings?caller=${encodeURIComponent(sub)}`,
    );
    expect(listed.body.items.map(({ id }) => id)).toEqual([started.body.id]);
  });

  it.each([
    ['letter case', 'Shop@clients', 'shop@clients'],
    ['Unicode normal form', 'caf\u00e9', 'cafe\u0301'],
    ['a space at the end', 'till', 'till '],
    ['a lookalike letter', 'till-a', 'till-\u0430'],
  ])('is compared exactly: a name that differs only in %s is another caller', async (_, one, other) => {
    const { started } = await startAs(one);
    const as = bearer(await issuer.token(key, { sub: other, scope }));
    const path = `/v1/onboardings/${started.body.id}`;
    expect((await story.call('GET', path, undefined, as)).status).toBe(404);
    expect((await story.call('POST', `${path}/cancel`, {}, as)).status).toBe(404);
  });

  it('may be longer, and have more kinds of characters, than the caller name of an API key', async () => {
    for (const caller of ['Shop', 'a@clients', 'auth0|x', 'a b', 'x'.repeat(65)]) {
      const made = await story.call('POST', '/v1/admin/api-keys', { caller, scopes: ['admin'] });
      expect(made.status).toBe(400);
    }
  });
});

describe('the keys that an issuer publishes', () => {
  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'])(
    'verify tokens signed with %s, even if keys for other uses are published too',
    async (alg) => {
      const own = await TokenIssuer.start();
      story.atEnd(() => own.close());
      const mine = await own.newKey('mine', { alg });
      const { alg: _, use: __, ...bare } = mine.publicJwk;
      own.published = [
        { kty: 'unheard-of', kid: 'mine' },
        { ...rsa.publicJwk, kid: 'mine', use: 'enc' },
        bare,
      ];
      const { url } = await story.startService(own.env);
      expect(await statusOf(await own.token(mine), url)).toBe(200);
      // The id of a key is optional (RFC 7515 §4.1.4).
      expect(await statusOf(await own.token(mine, {}, { kid: undefined }), url)).toBe(200);
      expect(await statusOf(await own.token(mine, { aud: ['another', own.audience] }), url)).toBe(200);
    },
  );

  it('verify tokens without a key id, also while the issuer publishes two keys', async () => {
    const own = await TokenIssuer.start();
    story.atEnd(() => own.close());
    const keys = [await own.newKey('old'), await own.newKey('new')];
    const { url } = await story.startService(own.env);
    for (const each of keys)
      expect(await statusOf(await own.token(each, {}, { kid: undefined }), url)).toBe(200);
    const stranger = await own.newKey('stranger', { publish: false });
    expect(await statusOf(await own.token(stranger, {}, { kid: undefined }), url)).toBe(401);
    expect(await statusOf(await own.token(keys[0]!, { exp: nowS() - 60 }, { kid: undefined }), url)).toBe(
      401,
    );
  });
});

describe('scopes in a JWT claim other than scope', () => {
  it.each([
    ['Okta', 'scp', ['onboardings:read', 'openid']],
    ['Entra ID, delegated', 'scp', 'onboardings:read profile'],
    ['Entra ID, a machine', 'roles', ['onboardings:read']],
  ])('are read as this issuer writes them: %s', async (_, claim, scopes) => {
    const { url } = await story.startService({ ...issuer.env, JWT_SCOPE_CLAIM: claim });
    expect(await statusOf(await issuer.token(key, { scope: undefined, [claim]: scopes }), url)).toBe(200);
    expect(await statusOf(await issuer.token(key), url)).toBe(403);
  });
});

describe('the log of the service', () => {
  it('says why a token was refused, with the answer’s traceId but with no part of the token', async () => {
    const service = await story.startProcess('onboarding', { ...issuer.env, LOG_LEVEL: 'info' });
    const stranger = await issuer.newKey('first', { publish: false });
    const unheardOf = await issuer.newKey('unheard-of', { publish: false });
    const refused: [string, string][] = [
      [await issuer.token(key, { exp: nowS() - 60 }), 'the token has expired'],
      [await issuer.token(key, { nbf: nowS() + 60 }), 'claim nbf is in the future'],
      [await issuer.token(key, { aud: 'CANARY' }), 'claim aud is not JWT_AUDIENCE'],
      [await issuer.token(key, { aud: undefined }), 'claim aud is missing'],
      [await issuer.token(key, { iss: 'CANARY' }), 'claim iss is not JWT_ISSUER'],
      [await issuer.token(key, { exp: undefined }), 'claim exp is missing'],
      [await issuer.token(key, { sub: undefined }), 'claim sub is missing'],
      [
        await issuer.token(key, { sub: 'CANARY\n' }),
        'claim sub is not a name of 1 to 255 printable characters',
      ],
      [await issuer.token(key, { scope: { CANARY: 1 } }), 'claim scope is not a list of scopes'],
      [await issuer.token(stranger), 'the signature is wrong'],
      [await issuer.token(unheardOf), 'the issuer publishes no key for the token’s kid and alg'],
      ['CANARY', 'neither an API key nor a JWT'],
    ];
    for (const [token, reason] of refused) {
      const { status, body } = await readWith(story, token, service.url);
      expect([reason, status, body.detail]).toEqual([reason, 401, 'The bearer token is not valid.']);
      const { traceId } = body as unknown as { traceId: string };
      const line = await until(`why: ${reason}`, () =>
        service.said
          .split('\n')
          .find((each) => each.includes(traceId) && each.includes('"code":"unauthenticated"')),
      );
      expect(JSON.parse(line)).toMatchObject({ traceId, reason, address: '127.0.0.1' });
      expect(line.length).toBeLessThan(600);
    }
    expect(service.said).not.toContain('CANARY');
  });
});

describe('an issuer whose keys cannot be loaded', () => {
  it('is not asked for its keys with every token', async () => {
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

describe('an invalid JWT', () => {
  it.each<Case>([
    { what: 'for another service', claims: { aud: 'another' } },
    { what: 'without an audience', claims: { aud: undefined } },
    { what: 'of another issuer', claims: { iss: 'https://other.example.com' } },
    { what: 'without an issuer', claims: { iss: undefined } },
    { what: 'without an expiry', claims: { exp: undefined } },
    { what: 'without a subject', claims: { sub: undefined } },
    { what: 'of an empty name', claims: { sub: '' } },
    { what: 'of a blank name', claims: { sub: '   ' } },
    { what: 'of a name that is a number', claims: { sub: 7 } },
    { what: 'of a name that is too long', claims: { sub: 'x'.repeat(256) } },
    { what: 'of a name with a line feed', claims: { sub: 'shop\n' } },
    { what: 'of a name with U+0000', claims: { sub: 'sh\0op' } },
    { what: 'of a name with U+007F', claims: { sub: 'shop\x7f' } },
    { what: 'of a name with a line separator', claims: { sub: 'shop\u2028x' } },
    { what: 'of a name written from right to left', claims: { sub: 'shop\u202egnp' } },
    { what: 'of a name with an invisible space', claims: { sub: 'sh\u200bop' } },
    { what: 'of a name with half a surrogate pair', claims: { sub: 'shop\ud800' } },
    { what: 'with integrations that cannot be read', claims: { integrations: 7 } },
    { what: 'with scopes that cannot be read', claims: { scope: { admin: true } } },
  ])('is refused: $what', async ({ claims }) => {
    const answer = await readWith(story, await issuer.token(key, claims));
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
    expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
  });

  it('is refused if its type is not JWT_TYPE (RFC 9068 §4)', async () => {
    const { url } = await story.startService({ ...issuer.env, JWT_TYPE: 'at+jwt' });
    const of = async (typ?: string) =>
      (await readWith(story, await issuer.token(key, {}, typ ? { typ } : {}), url)).status;
    expect(await of('at+jwt')).toBe(200);
    expect(await of('application/at+jwt')).toBe(200);
    for (const typ of ['JWT', 'id_token', undefined]) expect(await of(typ)).toBe(401);
  });

  it('is refused if it is unsigned or changed, or signed with another key or a public key', async () => {
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
      'a key that is not published': await issuer.token(unheardOf),
      'a key in its own header': await issuer.token(unheardOf, {}, { jwk: unheardOf.publicJwk }),
      'a key from an address in its header': await issuer.token(unheardOf, {}, { jku: issuer.url }),
      'other claims': `${header}.${base64url(claims)}.${signature}`,
      'no signature': `${header}.${base64url(claims)}.`,
      'no JSON': 'a.b.c',
      'an unknown critical extension': [
        base64url({ alg: 'ES256', kid: 'first', crit: ['x'], x: 1 }),
        base64url(claims),
        signature,
      ].join('.'),
    };
    for (const [what, token] of Object.entries(forged)) {
      expect([what, await statusOf(token)]).toEqual([what, 401]);
    }
  });

  it('is refused if its algorithm is not allowed, although its key is published', async () => {
    const unlisted = await issuer.newKey('unlisted', { alg: 'ML-DSA-44' });
    expect(await statusOf(await issuer.token(unlisted))).toBe(401);
  });

  it('is refused, like any JWT, if no issuer is configured', async () => {
    const { url } = await story.startService({ JWT_ISSUER: '', JWT_AUDIENCE: '', JWT_JWKS_URL: '' });
    expect(await statusOf(await issuer.token(key), url)).toBe(401);
  });
});

describe('keys of the issuer', () => {
  it('may be rotated: a new key is found by its id, and a removed key is refused', async () => {
    const old = await issuer.newKey('old');
    expect(await statusOf(await issuer.token(old))).toBe(200);
    const next = await issuer.newKey('next', { publish: false });
    issuer.published = issuer.published.filter(({ kid }) => kid !== 'old').concat(next.publicJwk);
    expect(await statusOf(await issuer.token(next))).toBe(200);
    expect(await statusOf(await issuer.token(old))).toBe(401);
  });

  it('are not loaded again for every token with an unknown key id', async () => {
    const { url } = await story.startService({ JWT_JWKS_COOLDOWN_MS: '60000' });
    expect(await statusOf(await issuer.token(key), url)).toBe(200);
    const before = issuer.asked;
    const unheardOf = await issuer.newKey('guess', { publish: false });
    for (let n = 0; n < 5; n++) expect(await statusOf(await issuer.token(unheardOf), url)).toBe(401);
    expect(issuer.asked).toBe(before);
  });

  it.each(['nothing listens there', 'the answer is 404'])(
    'are needed: if JWT_JWKS_URL yields no keys (%s), the service answers 503, never 401',
    async (what) => {
      const elsewhere = `http://127.0.0.1:${await closedPort()}/jwks.json`;
      const { url } = await story.startService({
        JWT_JWKS_URL: what === 'nothing listens there' ? elsewhere : `${story.sandbox.url}/nothing`,
      });
      const answer = await readWith(story, await issuer.token(key), url);
      expect(answer).toMatchObject({ status: 503, body: { code: 'not_ready' } });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await story.call<Refusal>('GET', '/v1/onboardings', undefined, {}, url)).status).toBe(200);
    },
  );

  it('still work while the issuer’s key server is down, if the service has loaded them before', async () => {
    const own = await TokenIssuer.start();
    const mine = await own.newKey('mine');
    const { url } = await story.startService(own.env);
    expect(await statusOf(await own.token(mine), url)).toBe(200);
    await own.close();
    expect(await statusOf(await own.token(mine), url)).toBe(200);
  });
});
