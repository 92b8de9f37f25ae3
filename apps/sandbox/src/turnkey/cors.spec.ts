import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { turnkeyUnderTest } from '../../test/turnkey-under-test.js';
import type { TurnkeyUnderTest } from '../../test/turnkey-under-test.js';

const ORIGIN = 'https://app.example';
let open: TurnkeyUnderTest;
let listed: TurnkeyUnderTest;
beforeAll(async () => {
  open = await turnkeyUnderTest();
  listed = await turnkeyUnderTest({ turnkey: { allowedOrigins: [ORIGIN, 'http://localhost:5173'] } });
});
beforeEach(() => [open, listed].forEach(({ sandbox }) => sandbox.control.reset()));
afterAll(() => Promise.all([open, listed].map(({ sandbox }) => sandbox.close())));

/** A null parameter omits its header. */
async function preflight(url: string, origin: string | null, wants: string | null = 'content-type') {
  const headers = {
    ...(origin !== null && { origin }),
    'access-control-request-method': 'POST',
    ...(wants !== null && { 'access-control-request-headers': wants }),
  };
  return corsOf(await fetch(url, { method: 'OPTIONS', headers }));
}
function corsOf({ status, headers }: Response) {
  const listOf = (name: string) => headers.get(name)?.toLowerCase().split(', ') ?? null;
  return {
    status,
    origin: headers.get('access-control-allow-origin'),
    credentials: headers.get('access-control-allow-credentials'),
    methods: listOf('access-control-allow-methods'),
    headers: listOf('access-control-allow-headers'),
    variesByOrigin: listOf('vary')?.includes('origin') ?? false,
  };
}
const url = (t: TurnkeyUnderTest, path: string) => `${t.sandbox.url}${path}`;

describe('the answer to a CORS preflight', () => {
  it.each(['/v1/otp_init_v2', '/v1/wallet_kit_config', '/v1/signup_v2', '/v1/oauth_login'])(
    'for the path %s allows any origin, and the headers that the clients send',
    async (path) => {
      for (const origin of [ORIGIN, 'null', null]) {
        expect(await preflight(url(open, path), origin)).toMatchObject({
          status: 204,
          origin: '*',
          credentials: null,
          methods: ['post'],
          headers: expect.arrayContaining(['content-type', 'x-auth-proxy-config-id', 'x-captcha-token']),
        });
      }
    },
  );

  it.each([
    [ORIGIN, ORIGIN],
    ['http://localhost:5173', 'http://localhost:5173'],
    ['https://evil.example', null],
    ['https://app.example.evil', null],
    ['http://app.example', null],
    ['null', null],
    [null, null],
  ])(
    'from the origin %s allows only this origin: %s, if the options list origins',
    async (origin, allowed) => {
      const answer = await preflight(url(listed, '/v1/otp_init_v2'), origin);
      expect(answer).toMatchObject({ status: 204, origin: allowed, credentials: null, variesByOrigin: true });
    },
  );

  it('for an unknown route comes from the Auth Proxy if the preflight names the proxy’s header', async () => {
    const answer = await preflight(url(open, '/v1/fly'), ORIGIN, 'content-type,x-auth-proxy-config-id');
    expect(answer).toMatchObject({ status: 204, origin: '*' });
  });

  it('for the public API allows the stamp headers', async () => {
    for (const t of [open, listed]) {
      expect(await preflight(url(t, '/public/v1/submit/stamp_login'), 'https://other.example')).toMatchObject(
        {
          status: 204,
          origin: '*',
          headers: expect.arrayContaining([
            'x-stamp',
            'x-stamp-webauthn',
            'x-stamp-attested',
            'x-client-version',
          ]),
        },
      );
    }
  });

  it.each(['/v1/submit/init-otp', '/v1/health', '/_sandbox/faults', '/_sandbox/', '/'])(
    'for the path %s is a refusal, because other pages must not call this path',
    async (path) => {
      const { status, origin } = await preflight(url(open, path), ORIGIN);
      expect({ refused: [404, 405].includes(status), origin }).toEqual({ refused: true, origin: null });
      const get = await fetch(url(open, path), { headers: { origin: ORIGIN } });
      expect(get.headers.get('access-control-allow-origin')).toBeNull();
    },
  );

  it('is not changed by a fault, and is not in the journal', async () => {
    open.sandbox.control.addFault({ route: '*', status: 503 });
    expect(await preflight(url(open, '/v1/otp_init'), ORIGIN)).toMatchObject({ status: 204 });
    expect(open.sandbox.control.requests()).toEqual([]);
  });
});

describe('an answer to a request by a page', () => {
  const call = async (t: TurnkeyUnderTest, origin: string | null, headers: Record<string, string> = {}) => {
    const given = { 'content-type': 'application/json', ...headers, ...(origin !== null && { origin }) };
    return corsOf(
      await fetch(url(t, '/v1/wallet_kit_config'), { method: 'POST', headers: given, body: '{}' }),
    );
  };
  const config = (t: TurnkeyUnderTest) => ({ 'x-auth-proxy-config-id': t.sandbox.turnkey.authProxyConfigId });

  it('can be read if the page has an allowed origin, even if the answer is a refusal', async () => {
    expect(await call(open, ORIGIN, config(open))).toMatchObject({ status: 200, origin: '*' });
    expect(await call(open, ORIGIN)).toMatchObject({ status: 401, origin: '*' });
    expect(await call(listed, ORIGIN, config(listed))).toMatchObject({ status: 200, origin: ORIGIN });
    expect(await call(listed, ORIGIN)).toMatchObject({ status: 401, origin: ORIGIN, variesByOrigin: true });
  });

  it.each(['https://evil.example', 'null', null])(
    'cannot be read if the page has the origin %s, which the options do not list',
    async (origin) => {
      const answer = await call(listed, origin, config(listed));
      expect(answer).toMatchObject({ status: 403, origin: null, variesByOrigin: true });
    },
  );

  it('can be read if a fault gives the answer', async () => {
    open.sandbox.control.addFault({ route: 'wallet_kit_config', status: 503 });
    expect(await call(open, ORIGIN, config(open))).toMatchObject({ status: 503, origin: '*' });
  });

  it.each([
    ['an unknown route', '/public/v1/submit/fly', 404, '{}'],
    ['a missing stamp', '/public/v1/query/whoami', 400, '{}'],
    ['a body that is too large', '/public/v1/query/whoami', 413, JSON.stringify('x'.repeat(1_100_000))],
  ])('can be read if the public API refuses the request because of %s', async (_what, path, status, body) => {
    const answer = await fetch(url(open, path), { method: 'POST', headers: { origin: ORIGIN }, body });
    expect(corsOf(answer)).toMatchObject({ status, origin: '*' });
  });
});
