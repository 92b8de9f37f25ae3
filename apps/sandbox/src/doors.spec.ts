import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { post } from '../test/turnkey-caller.js';
import { turnkeyUnderTest } from '../test/turnkey-under-test.js';
import type { TurnkeyUnderTest } from '../test/turnkey-under-test.js';

let t: TurnkeyUnderTest;
beforeAll(async () => {
  t = await turnkeyUnderTest();
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

const JSON_TYPE = 'application/json; charset=utf-8';
const FORMS = {
  turnkey: (code: number, message: unknown) => ({ code, message, details: expect.any(Array) }),
  byzantine: (status: number, error: unknown) => ({ error, status }),
};
type Form = keyof typeof FORMS;

interface Door {
  form: Form;
  route: string;
  method: string;
  /** A path of the same API for which no route exists. */
  unknown: string;
  headers?: Record<string, string>;
}
const CONFIG = { 'x-auth-proxy-config-id': 'any' };
const DOORS: readonly Door[] = [
  { form: 'byzantine', method: 'POST', route: '/v1/submit/init-otp', unknown: '/v1/submit/fly' },
  { form: 'byzantine', method: 'GET', route: '/v1/health', unknown: '/v1/otp' },
  { form: 'byzantine', method: 'GET', route: '/v1/integrator/whoami', unknown: '/favicon.ico' },
  { form: 'turnkey', method: 'POST', route: '/public/v1/submit/init_otp', unknown: '/public/v1/submit/fly' },
  {
    form: 'turnkey',
    method: 'POST',
    route: '/public/v1/query/whoami',
    unknown: '/public/v1/query/get_policies',
  },
  { form: 'turnkey', method: 'POST', route: '/public/v1/query/get_user', unknown: '/public/v2/anything' },
  { form: 'turnkey', method: 'POST', route: '/v1/otp_init_v2', unknown: '/v1/fly', headers: CONFIG },
  { form: 'turnkey', method: 'POST', route: '/v1/wallet_kit_config', unknown: '/v1/oauth_login' },
  { form: 'turnkey', method: 'POST', route: '/v1/account', unknown: '/v1/oauth2_authenticate' },
  { form: 'turnkey', method: 'POST', route: '/v1/signup', unknown: '/v1/account/', headers: CONFIG },
  { form: 'byzantine', method: 'POST', route: '/_sandbox/faults', unknown: '/_sandbox/fly' },
  { form: 'byzantine', method: 'GET', route: '/_sandbox/journal', unknown: '/_sandbox/journal/1' },
];
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

async function ask(method: string, path: string, headers: Record<string, string> = {}, body?: string) {
  const init = { method, headers, ...(body !== undefined && { body }) };
  const response = await fetch(`${t.sandbox.url}${path}`, init);
  const text = await response.text();
  const type = response.headers.get('content-type');
  return {
    status: response.status,
    type,
    allow: response.headers.get('allow'),
    body: text && JSON.parse(text),
  };
}

describe.each(DOORS)('an API with the route $route', ({ form, route, method, unknown, headers }) => {
  it.each(METHODS)(
    `answers the method %s on the unknown path ${unknown} with 404 in its own error format`,
    async (verb) => {
      const { status, type, body } = await ask(verb, unknown, headers);
      expect({ status, type }).toEqual({ status: 404, type: JSON_TYPE });
      const text = expect.not.stringMatching(/cannot/i);
      expect(body).toEqual(form === 'turnkey' ? FORMS.turnkey(5, 'Not Found') : FORMS.byzantine(404, text));
    },
  );

  it('answers a wrong method with 405 and the Allow header, in its own error format', async () => {
    for (const verb of METHODS.filter((one) => one !== method)) {
      const { status, type, allow, body } = await ask(verb, route, headers);
      // `/_sandbox/faults` also accepts other methods than POST.
      if (route === '/_sandbox/faults' && [200, 204].includes(status)) continue;
      expect({ status, type }).toEqual({ status: 405, type: JSON_TYPE });
      expect(allow?.split(', ')).toContain(method);
      const text = expect.stringMatching(/^method not allowed$/i);
      expect(body).toEqual(form === 'turnkey' ? FORMS.turnkey(12, text) : FORMS.byzantine(405, text));
    }
  });
});

describe.each(DOORS.filter(({ method }) => method === 'POST'))(
  'an API with the POST route $route',
  ({ form, route, headers }) => {
    it.each([
      ['no body', undefined, {}],
      ['an empty body', '', { 'content-type': 'application/json' }],
      ['incomplete JSON', '{"a":', { 'content-type': 'application/json' }],
      ['JSON that is no object', '[]', { 'content-type': 'application/json' }],
      ['bytes that are not UTF-8', '\xff', { 'content-type': 'application/json' }],
      ['another type', '{}', { 'content-type': 'text/plain' }],
      ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }],
      ['a multipart form without a boundary', 'x', { 'content-type': 'multipart/form-data' }],
      ['a malformed type', '{}', { 'content-type': ';;' }],
      [
        'a body that is too large',
        JSON.stringify('x'.repeat(1_100_000)),
        { 'content-type': 'application/json' },
      ],
    ])('refuses a request with %s in its own error format', async (_what, body, given) => {
      const {
        status,
        type,
        body: answer,
      } = await ask('POST', route, { ...given, ...headers } as never, body);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(type).toBe(JSON_TYPE);
      const code = (answer as { code: number }).code;
      expect(answer).toEqual(
        form === 'turnkey'
          ? FORMS.turnkey(code, expect.any(String))
          : FORMS.byzantine(status, expect.any(String)),
      );
    });
  },
);

describe('a path that contains ":" or "*", as the patterns of routes do', () => {
  it.each(['/v1/:x(', '/v1/*', '/:a(b', '/v1/submit/:path', '/*'])('is not found: %s', async (path) => {
    expect(await ask('POST', path)).toMatchObject({ status: 404, body: { error: 'not found', status: 404 } });
    expect(await ask('POST', path, CONFIG)).toMatchObject({
      status: 404,
      body: FORMS.turnkey(5, 'Not Found'),
    });
    const { status, body } = await ask('POST', `/public${path}`);
    expect({ status, body }).toEqual({ status: 404, body: FORMS.turnkey(5, 'Not Found') });
  });
});

describe('a path with percent-encoding', () => {
  it.each([
    ['/v1/otp%5Finit', 400],
    ['/public/v1/submit/init%5Fotp', 400],
    ['/%70ublic/v1/query/whoami', 400],
    ['/v1/otp_init?x=%zz', 400],
  ])('belongs to the same API as the decoded path: %s', async (path, status) => {
    const headers = {
      'content-type': 'application/json',
      'x-auth-proxy-config-id': t.sandbox.turnkey.authProxyConfigId,
    };
    const answer = await post(`${t.sandbox.url}${path}`, 'no json', headers);
    expect(answer).toMatchObject({ status, body: { code: 3 } });
  });

  it.each([
    ['/v1/%zz', { error: expect.any(String), status: 400 }],
    ['/public/v1/%zz', FORMS.turnkey(3, expect.any(String))],
  ])('is refused if it is malformed, in the error format of its API: %s', async (path, body) => {
    const answer = await ask('POST', path);
    expect(answer).toMatchObject({ status: 400, type: JSON_TYPE, body });
  });
});
