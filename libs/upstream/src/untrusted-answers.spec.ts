import { randomUUID } from 'node:crypto';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Secret, systemClock } from '#libs/kernel';
import { parsePrivateKey } from '#libs/signing';
import { aCall, testConfig, until } from '#libs/testing';
import { ByzantineProvider } from './byzantine/byzantine.provider.js';
import { ClockSkew } from './transport/clock-skew.js';
import { endOf } from './fixtures/end-of.js';
import { RawServer, answering, type Incoming } from './fixtures/raw-server.js';
import { UpstreamHttpClient } from './transport/http-client.js';
import { SigningKeys } from './transport/signing-keys.js';
import { AuthProxyProvider } from './turnkey/auth-proxy.provider.js';
import { TurnkeyProvider } from './turnkey/turnkey.provider.js';
import type { FailureClass } from './port/upstream-error.js';

const JSON_TYPE = 'content-type: application/json\r\n';
const MEGABYTE = 1024 * 1024;

let http: UpstreamHttpClient;
let server: RawServer | undefined;
beforeEach(() => {
  http = new UpstreamHttpClient(testConfig({ UPSTREAM_CONNECTIONS: '1' }), systemClock);
});
afterEach(async () => {
  await http.onApplicationShutdown();
  await server?.close();
});

const keys = new SigningKeys([parsePrivateKey(new Secret('01'.repeat(32)), 'SPEC')]);
const subject = { accountId: randomUUID(), userId: randomUUID() };

async function byzantine(behave: (incoming: Incoming, count: number) => void) {
  server = await RawServer.listen(behave);
  const provider = new ByzantineProvider(
    { name: 'b', baseUrl: server.url },
    keys,
    http,
    systemClock,
    new ClockSkew(systemClock),
  );
  return {
    init: (timeoutMs = 1_000) => provider.initOtp(aCall({ timeoutMs }), subject),
    verify: () =>
      provider.verifyOtp(aCall(), subject, { handle: 'otp' }, { type: 'code', code: new Secret('123456') }),
    create: () =>
      provider.createAuthenticators(
        aCall(),
        subject,
        { type: 'upstream-session', sessionId: new Secret('s'), expiresAt: new Date() },
        [],
      ),
  };
}

async function turnkey(behave: (incoming: Incoming, count: number) => void) {
  server = await RawServer.listen(behave);
  const { url: baseUrl } = server;
  const settings = { custody: 'server', initOtp: 'V1', otpDefaults: {}, sessionLifeS: 900 } as const;
  const provider = new TurnkeyProvider(
    { name: 't', baseUrl, organizationId: randomUUID(), appName: 'Acme', ...settings },
    keys,
    { http, clock: systemClock, skew: new ClockSkew(systemClock) },
  );
  const contact = { type: 'email', value: 'ana@example.com' };
  return { init: () => provider.initOtp(aCall(), { contact }, {}) };
}

const says =
  (body: string | Buffer, headers = JSON_TYPE, status = 200) =>
  ({ socket }: Incoming) => {
    const bytes = Buffer.from(body);
    socket.write(`HTTP/1.1 ${status} x\r\ncontent-length: ${bytes.length}\r\n${headers}\r\n`);
    socket.write(bytes);
  };
const good = '{"otpId":"otp-1"}';
const activity = (otpId: string, more = '') =>
  `{"activity":{"id":"a-1","organizationId":"o-1","status":"ACTIVITY_STATUS_COMPLETED",` +
  `"result":{"initOtpResult":{"otpId":${otpId}}}${more}}}`;

describe('a 2xx answer', () => {
  it.each<[string, (incoming: Incoming) => unknown]>([
    ['that is HTML', says('<html>fine</html>', 'content-type: text/html\r\n')],
    ['that is JSON but claims to be HTML', says(good, 'content-type: text/html\r\n')],
    ['without a content type', says(good, '')],
    ['with two content types', says(good, `${JSON_TYPE}content-type: text/html\r\n`)],
    ['with an empty content type', says(good, 'content-type:\r\n')],
    ['of a type that only begins with JSON’s', says(good, 'content-type: application/json-patch\r\n')],
    [
      'that is compressed twice',
      says(good, `${JSON_TYPE}content-encoding: identity\r\ncontent-encoding: gzip\r\n`),
    ],
    ['that is compressed', says(gzipSync(good), `${JSON_TYPE}content-encoding: gzip\r\n`)],
    [
      'that unpacks to 64 megabytes',
      says(brotliCompressSync(Buffer.alloc(64 * MEGABYTE)), `${JSON_TYPE}content-encoding: br\r\n`),
    ],
    ['that claims to be compressed but is not', says(good, `${JSON_TYPE}content-encoding: gzip\r\n`)],
    ['that is not UTF-8', says(Buffer.from('{"otpId":"otp-\xff"}', 'latin1'))],
    ['that is not UTF-8 in an unused member', says(Buffer.from('{"otpId":"otp-1","more":"\xff"}', 'latin1'))],
    ['with a member twice', says('{"otpId":"otp-1","otpId":"otp-2"}')],
    ['with __proto__ as its only member', says('{"__proto__":{"otpId":"otp-2"}}')],
    ['that is nested deeply', says(`{"otpId":"otp-1","more":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)],
    ['with U+0000 in its id', says('{"otpId":"otp\\u0000"}')],
    ['with half a character in its id', says('{"otpId":"otp\\ud800"}')],
    ['with a line end in its id', says('{"otpId":"otp\\r\\nx: y"}')],
    ['with an id that is too long', says(`{"otpId":"${'x'.repeat(513)}"}`)],
    ['with an empty id', says('{"otpId":""}')],
    ['with a number as its id', says('{"otpId":1e999}')],
    ['with a list', says(`[${good}]`)],
    ['with an empty body', says('')],
    ['with only white space', says(' '.repeat(1000))],
    ['that is null', says('null')],
    ['with status 204', says('', '', 204)],
  ])('%s counts as lost', async (_, behave) => {
    const steps = await byzantine(behave);
    expect(await endOf(steps.init())).toMatchObject({ failure: 'no_answer', evidence: { bytesSent: true } });
    expect(server!.requests).toBe(1);
  });

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'APPLICATION/JSON',
    'application/vnd.api+json',
    'application/json;profile="a, b"',
    'application/json\r\nContent-Type: application/json; charset=utf-8',
    'application/json, application/json',
    'application/json\r\ncontent-encoding: Identity',
    'application/json\r\ncontent-encoding:',
  ])('with the content type %j is read', async (type) => {
    const steps = await byzantine(says(good, `content-type: ${type}\r\n`));
    expect(await steps.init()).toEqual({ handle: 'otp-1' });
  });

  it('with a member that would set the prototype is read without this member', async () => {
    const steps = await byzantine(says('{"otpId":"otp-1","__proto__":{"otpId":"otp-2","polluted":1}}'));
    expect(await steps.init()).toEqual({ handle: 'otp-1' });
    expect({}).not.toHaveProperty('polluted');
  });

  it.each([
    '+275760-09-13T00:00:00Z',
    '-000001-01-01T00:00:00Z',
    '2026-02-05T12:00:00Z\u0000',
    'x'.repeat(100_000),
  ])('with an unreadable session expiry counts as lost (case %#)', async (expiresAt) => {
    const steps = await byzantine(says(JSON.stringify({ session: 'x', sessionId: 's-1', expiresAt })));
    expect(await endOf(steps.verify())).toMatchObject({ failure: 'no_answer' });
  });

  it.each([
    ['U+0000', '["a\\u0000"]'],
    ['half a character', '["a\\udfff"]'],
    ['thousands of passkeys', JSON.stringify(Array.from({ length: 5_000 }, (_, n) => `id-${n}`))],
  ])('with passkey ids of %s counts as lost', async (_, ids) => {
    const steps = await byzantine(says(`{"authenticatorIds":${ids}}`));
    expect(await endOf(steps.create())).toMatchObject({ failure: 'no_answer' });
  });

  it.each<[string, string]>([
    ['U+0000 in its id', activity('"otp\\u0000"')],
    ['half a character in its id', activity('"otp\\ud83d"')],
    ['an id that is too long', activity(JSON.stringify('x'.repeat(513)))],
    ['a member twice', activity('"otp-1","otpId":"otp-2"')],
    ['deep nesting', activity('"otp-1"', `,"more":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`)],
  ])('of Turnkey with %s counts as lost', async (_, body) => {
    const steps = await turnkey(says(body));
    expect(await endOf(steps.init())).toMatchObject({ failure: 'no_answer' });
  });
});

describe('a 2xx answer of the Auth Proxy', () => {
  it.each(['1e300', '315360001', '"Infinity"', '-1', '0.5'])(
    'with sessions of %s seconds counts as lost',
    async (seconds) => {
      const organizationId = randomUUID();
      server = await RawServer.listen(
        says(`{"organizationId":"${organizationId}","sessionExpirationSeconds":${seconds}}`),
      );
      const { url: baseUrl } = server;
      const settings = { authProxyConfigId: 'c', custody: 'server', otpDefaults: {} } as const;
      const provider = new AuthProxyProvider(
        { name: 'p', baseUrl, authProxyUrl: baseUrl, organizationId, ...settings },
        { http, clock: systemClock, skew: new ClockSkew(systemClock) },
      );
      expect(await endOf(provider.probe(aCall()))).toMatchObject({ failure: 'no_answer' });
    },
  );
});

describe('an answer that never ends or breaks the rules of HTTP', () => {
  const chunked = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n${JSON_TYPE}\r\n`;
  /** Repeats the piece as fast as the client reads, or every `everyMs`. */
  const endlessly =
    (head: string, piece: string, everyMs = 0) =>
    ({ socket }: Incoming) => {
      socket.write(head);
      const more = setInterval(() => {
        while (socket.write(piece) && everyMs === 0 && !socket.destroyed);
      }, everyMs);
      socket.on('close', () => clearInterval(more));
    };

  it.each<[string, (incoming: Incoming) => unknown]>([
    ['a body that never ends', endlessly(chunked, `10000\r\n${'x'.repeat(0x10000)}\r\n`)],
    [
      'a body until the connection ends',
      endlessly(`HTTP/1.1 200 OK\r\n${JSON_TYPE}\r\n`, 'x'.repeat(0x10000)),
    ],
    [
      'a body that announces a gigabyte',
      endlessly(`HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n${JSON_TYPE}\r\n`, 'x'.repeat(0x10000)),
    ],
    ['a slow body', endlessly(chunked, '1\r\nx\r\n', 10)],
    ['a slow head', endlessly('HTTP/1.1 200 OK\r\n', 'x: y\r\n', 10)],
    ['headers that never end', endlessly('HTTP/1.1 200 OK\r\n', `x-flood: ${'y'.repeat(1_000)}\r\n`)],
    ['one header that never ends', endlessly('HTTP/1.1 200 OK\r\nx-flood: ', 'y'.repeat(0x1000))],
    ['chunk extensions that never end', endlessly(`${chunked}1;`, 'x'.repeat(0x1000))],
    ['trailers that never end', endlessly(`${chunked}0\r\n`, `x-flood: ${'y'.repeat(1_000)}\r\n`)],
    ['early hints that never end', endlessly('', 'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n', 1)],
    [
      'a shorter body than announced',
      ({ socket }) => socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 100\r\n${JSON_TYPE}\r\n${good}`),
    ],
    [
      'two lengths',
      ({ socket }) =>
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 17\r\ncontent-length: 3\r\n${JSON_TYPE}\r\n${good}`),
    ],
    [
      'a length and chunks',
      ({ socket }) =>
        socket.end(
          `HTTP/1.1 200 OK\r\ncontent-length: 17\r\ntransfer-encoding: chunked\r\n${JSON_TYPE}\r\n${good}`,
        ),
    ],
    [
      'another protocol',
      ({ socket }) =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
    ],
  ])('%s ends in no_answer, and costs little memory', async (what, behave) => {
    const steps = await byzantine(behave);
    const before = process.memoryUsage();
    const end = await endOf(steps.init(what.startsWith('a body') ? 20_000 : 1_500));
    expect(end).toMatchObject({ failure: 'no_answer', evidence: { bytesSent: true } });
    // The size limit must end the call before the deadline does.
    if (what.startsWith('a body'))
      expect(end).toHaveProperty('message', expect.stringContaining('larger than'));
    const { heapUsed, external } = process.memoryUsage();
    // Generous, because this process also runs the server, and garbage may not be collected yet.
    expect(heapUsed + external - before.heapUsed - before.external).toBeLessThan(96 * MEGABYTE);
    await until('the connection is gone', () => server!.connections.every(({ socket }) => socket.destroyed));
  });

  it('is not given to the next call, if it came as a second answer on the same connection', async () => {
    const poison = answering(200, '{"otpId":"poison"}', JSON_TYPE);
    const steps = await byzantine(({ socket }, count) => {
      socket.write(answering(200, `{"otpId":"otp-${count}"}`, JSON_TYPE) + (count === 1 ? poison : ''));
    });
    // The second call waits for the only connection, and uses it after the first.
    const [first, second] = await Promise.all([steps.init(), steps.init()]);
    expect(first).toEqual({ handle: 'otp-1' });
    expect(second).toEqual({ handle: 'otp-2' });
    expect(await steps.init()).toEqual({ handle: 'otp-3' });
  });
});

describe('an answer that is not 2xx', () => {
  it.each<[string, number, string, FailureClass]>([
    ['by a redirect', 302, 'location: http://127.0.0.1:1/\r\n', 'misconfigured'],
    ['by a redirect without a location', 307, '', 'misconfigured'],
    ['that is compressed', 500, 'content-encoding: gzip\r\n', 'unavailable'],
    ['with an unknown status', 599, '', 'unavailable'],
    ['in HTML', 404, 'content-type: text/html\r\n', 'rejected'],
    ['with a Retry-After of a million years', 503, `retry-after: ${'9'.repeat(26)}\r\n`, 'throttled'],
    ['with an invalid Retry-After', 503, 'retry-after: Xyz, 99 Abc\r\n', 'unavailable'],
    [
      'with headers named like JavaScript properties',
      404,
      '__proto__: x\r\nconstructor: x\r\nget: x\r\nset: x\r\nhas: x\r\n',
      'rejected',
    ],
  ])('%s is classified by its status', async (_, status, headers, failure) => {
    const steps = await byzantine(says('{"error":"\\u0000\\ud800"}', headers, status));
    const end = await endOf(steps.init());
    expect(end).toMatchObject({ failure });
    expect(JSON.stringify(end)).not.toContain('u0000');
  });

  it('causes an error without any text of the answer, at Turnkey', async () => {
    const code = JSON.stringify('EVIL\u0000\ud800'.repeat(1_000));
    for (const [body, status] of [
      [`{"code":3,"message":${code},"details":[{"turnkeyErrorCode":${code}}]}`, 400],
      [
        `{"activity":{"id":"a","organizationId":"o","status":"ACTIVITY_STATUS_FAILED",` +
          `"failure":{"code":3,"message":${code},"details":[{"turnkeyErrorCode":${code}}]}}}`,
        200,
      ],
    ] as const) {
      const steps = await turnkey(says(body, JSON_TYPE, status));
      const end = await endOf(steps.init());
      expect(end).toMatchObject({ failure: 'rejected_unclear' });
      expect((end as Error).message).not.toMatch(/EVIL/);
      await server!.close();
    }
  });
});
