import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROBLEM_CODES, problemType } from '#libs/kernel';
import { KEY, expectProblem, send, type Reply } from '../../support/http-exchange.js';
import { Story } from '../../support/story.js';

let story: Story;
let workerUrl: string;
beforeAll(async () => {
  story = await Story.begin({ console: true, worker: false });
  workerUrl = await (await story.startWorker()).getUrl();
});
afterAll(() => story.end());

function raw(bytes: string): Promise<string> {
  const { hostname, port } = new URL(story.serviceUrl);
  return new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.on('data', (chunk) => (heard += String(chunk)));
    socket.on('error', reject);
    socket.on('close', () => resolve(heard));
  });
}

function expectGuarded({ headers }: Pick<Reply, 'headers'>): void {
  expect(headers).toMatchObject({
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': expect.stringMatching(/^(no-referrer|same-origin)$/),
    'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
    'cache-control': 'no-store',
  });
  expect(headers).not.toHaveProperty('server');
  expect(headers).not.toHaveProperty('x-powered-by');
  expect(headers).not.toHaveProperty('strict-transport-security');
}

describe('every answer has the security headers', () => {
  it.each([
    '/health/live',
    '/metrics',
    '/openapi.json',
    '/v1/onboardings',
    '/nowhere',
    '/%zz',
    `/${'x'.repeat(200)}`,
    '/docs',
    '/docs/errors',
    '/docs/swagger-ui-bundle.js',
    '/login',
    '/login/callback',
    '/assets/nothing.css',
    '/queues/static/nothing.js',
  ])('on %s', async (path) => {
    expectGuarded(await send(story, 'GET', path, { headers: KEY }));
    for (const serviceUrl of [workerUrl, story.consoleUrl]) {
      expectGuarded(await send({ serviceUrl }, 'GET', path));
    }
  });

  it('which let no browser run, load, send or frame anything from an API answer', async () => {
    for (const path of ['/v1/onboardings', '/health/live', '/nowhere', '/%zz']) {
      const { headers } = await send(story, 'GET', path, { headers: KEY });
      expect(headers['content-security-policy']).toBe(
        "default-src 'none';base-uri 'none';form-action 'none';frame-ancestors 'none'",
      );
      expect(headers['referrer-policy']).toBe('no-referrer');
    }
  });

  it('also on /docs, which runs only our scripts, and allows inline styles only by hash', async () => {
    const { text, headers } = await send(story, 'GET', '/docs');
    expect(text).not.toMatch(/<script>|\son\w+=/);
    const policy = String(headers['content-security-policy']);
    expect(policy).toContain("script-src 'self';");
    expect(policy).not.toContain("'unsafe-inline'");
    expect(policy).toMatch(/style-src-elem 'self' 'sha256-/);
  });
});

describe('the page /docs/errors', () => {
  it('has an entry for each error code', async () => {
    const { text, headers } = await send(story, 'GET', '/docs/errors');
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    for (const code of PROBLEM_CODES) expect(text).toContain(`id="${problemType(code).split('#')[1]}"`);
  });
});

describe('a malformed request gets a clean refusal', () => {
  it.each(['TRACE', 'OPTIONS', 'PROPFIND', 'PUT'])('for the method %s', async (method) => {
    const reply = await send(story, method, '/v1/onboardings', { headers: KEY });
    expectProblem(reply, 405, 'method_not_allowed');
    expectGuarded(reply);
  });

  it.each([
    ['an unknown method', 'BREW / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['CONNECT', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['no Host', 'GET /health/live HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ...['a/b', 'a b', 'u@a', 'a,b', 'a:b', 'a:1:2', '[::1', '<a>', 'a?b', 'a#b', '', '%61', 'ä'].map(
      (host): [string, string] => [
        `Host: ${host}`,
        `GET /health/live HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      ],
    ),
    ['two Hosts', 'GET /health/live HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n'],
  ])('for %s', async (_, bytes) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('validation_failed');
  });

  it('but a request with an unknown value of Expect is served', async () => {
    const answer = await raw(
      'GET /health/live HTTP/1.1\r\nHost: a\r\nExpect: more\r\nConnection: close\r\n\r\n',
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  });

  it.each(['a', 'gangway.example.com', '127.0.0.1:3000', '[::1]:3000', 'A-B_c.d:1'])(
    'but a request with the valid Host: %s is served',
    async (host) => {
      const answer = await raw(`GET /health/live HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    },
  );
});
