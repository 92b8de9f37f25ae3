import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '#libs/kernel';
import { Tracing } from '#libs/platform';
import { testConfig, until } from '#libs/testing';
import { OtlpReceiver } from '../../../../test/support/otlp-receiver.js';
import { answering, RawServer, type Incoming } from '../fixtures/raw-server.js';
import { UpstreamHttpClient, type HttpRequest } from './http-client.js';
import { UpstreamError } from '../port/upstream-error.js';
import type { CallLimits } from '../port/upstream-provider.js';

let client: UpstreamHttpClient;
const servers: RawServer[] = [];

const open = (env: Record<string, string> = {}) =>
  new UpstreamHttpClient(testConfig({ CONNECT_TIMEOUT_MS: '300', ...env }), systemClock);

beforeEach(() => {
  client = open();
});
afterEach(async () => {
  await client.onApplicationShutdown();
  for (const server of servers.splice(0)) await server.close();
});

async function listen(onRequest: (incoming: Incoming, count: number) => void): Promise<RawServer> {
  const server = await RawServer.listen(onRequest);
  servers.push(server);
  return server;
}

const request = ({ url }: { url: string }, more: Partial<HttpRequest> = {}): HttpRequest => ({
  baseUrl: url,
  lane: 'one',
  method: 'POST',
  pathAndQuery: '/v1/submit/init-otp?chain_id=1',
  headers: { 'content-type': 'application/json', 'X-Timestamp': '1763632800' },
  body: '{"accountId":"é ☃"}',
  ...more,
});

const call = (more: Partial<CallLimits> = {}): CallLimits => ({
  timeoutMs: 2_000,
  beforeSend: () => undefined,
  ...more,
});

async function failureOf(sent: Promise<unknown>): Promise<UpstreamError> {
  const error = await sent.then(
    (answer) => new Error(`it was answered: ${JSON.stringify(answer)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof UpstreamError) return error;
  throw error;
}

describe('the HTTP client', () => {
  it('names its span by the path, without the query', async () => {
    const server = await listen(({ socket }) => socket.write(answering(200, '{}')));
    const receiver = await OtlpReceiver.listen();
    const tracing = await Tracing.open(
      testConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }),
      'service-1',
    );
    const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await tracing.caused('job', parent, () => client.send(call(), request(server)));
    await tracing.onApplicationShutdown();
    await receiver.close();
    const span = receiver.spans.find(({ name }) => name.startsWith('POST'))!;
    expect(span.name).toBe('POST /v1/submit/init-otp');
    expect(span.attributes['url.template']).toBe('/v1/submit/init-otp');
  });

  it('returns a whole answer with any status, and the facts about the call', async () => {
    const server = await listen(({ socket }) =>
      socket.write(answering(418, '{"error":"☕"}', 'x-a: 1\r\nretry-after: 9\r\n')),
    );
    const answer = await client.send(call(), request(server));
    expect(answer).toMatchObject({
      status: 418,
      text: '{"error":"☕"}',
      headers: { 'retry-after': '9' },
      evidence: { bytesSent: true, headersSeen: true, status: 418 },
    });
    expect(answer.evidence.durationMs).toBeGreaterThanOrEqual(0);
  });

  it('sends exactly the signed bytes', async () => {
    const server = await listen(({ socket }) => socket.write(answering(200, '{}')));
    const { body } = request(server);
    await client.send(call(), request(server));
    const raw = Buffer.from(server.connections[0]!.received, 'latin1').toString('utf8');
    const [head, sent] = raw.split('\r\n\r\n');
    expect(head!.split('\r\n')[0]).toBe('POST /v1/submit/init-otp?chain_id=1 HTTP/1.1');
    expect(head).toMatch(/^x-timestamp: 1763632800$/im);
    expect(head).toMatch(/^content-type: application\/json$/im);
    expect(sent).toBe(body);
  });

  it('sends a GET without a body', async () => {
    const server = await listen(({ socket }) => socket.write(answering(200, 'ok')));
    const { body: _, ...rest } = request(server, { method: 'GET', pathAndQuery: '/v1/integrator/whoami' });
    await client.send(call(), rest);
    expect(server.connections[0]!.received).toMatch(/^GET \/v1\/integrator\/whoami HTTP\/1\.1\r\n/);
    expect(server.connections[0]!.received).toMatch(/\r\n\r\n$/);
  });

  it.each([301, 302, 307, 308])('does not follow a redirect (%d)', async (status) => {
    const elsewhere = await listen(({ socket }) => socket.write(answering(200, '{}')));
    const server = await listen(({ socket }) =>
      socket.write(answering(status, '', `location: ${elsewhere.url}/x\r\n`)),
    );
    expect((await client.send(call(), request(server))).status).toBe(status);
    expect(elsewhere.connections).toHaveLength(0);
  });

  it('returns an answer as text, even if it claims to be JSON', async () => {
    const server = await listen(({ socket }) =>
      socket.write(answering(200, '{"a":1', 'content-type: application/json\r\n')),
    );
    expect((await client.send(call(), request(server))).text).toBe('{"a":1');
  });
});

describe('the HTTP client reports not_sent', () => {
  it.each([
    ['no server listens', 'http://127.0.0.1:1'],
    ['the host does not exist', 'http://nowhere.invalid'],
  ])('if the server cannot be reached: %s', async (_, url) => {
    const error = await failureOf(client.send(call(), request({ url })));
    expect(error).toMatchObject({
      failure: 'not_sent',
      evidence: { bytesSent: false, headersSeen: false, status: null },
      message: expect.stringMatching(/ECONNREFUSED|ENOTFOUND|EAI_AGAIN/),
    });
  });

  it('if no connection opens in time', async () => {
    // The TCP connection opens, but this server never answers the TLS handshake.
    const server = await listen(() => undefined);
    const error = await failureOf(
      client.send(call(), request({ url: server.url.replace('http:', 'https:') })),
    );
    expect(error).toMatchObject({ failure: 'not_sent', evidence: { bytesSent: false } });
    expect(server.requests).toBe(0);
  });

  it('if TLS fails', async () => {
    const server = await listen(() => undefined);
    const url = server.url.replace('http:', 'https:');
    const sent = failureOf(client.send(call(), request({ url })));
    const wait = setInterval(
      () => server.connections.forEach(({ socket }) => socket.write('HTTP/1.1 400 no\r\n\r\n')),
      5,
    );
    const error = await sent.finally(() => clearInterval(wait));
    expect(error.failure).toBe('not_sent');
  });

  it('if beforeSend throws at the last moment', async () => {
    const server = await listen(({ socket }) => socket.write(answering(200, '{}')));
    const held = call({
      beforeSend: () => {
        throw new Error('the claim is too old to send');
      },
    });
    const error = await failureOf(client.send(held, request(server)));
    expect(error).toMatchObject({
      failure: 'not_sent',
      message: 'the claim is too old to send',
      heldBack: true,
      evidence: { bytesSent: false },
    });
    // After the next call, no earlier request can still be on its way.
    await client.send(call(), request(server));
    expect(server.requests).toBe(1);
  });

  it('if a request waits for a connection until its deadline, and never sends it later', async () => {
    await client.onApplicationShutdown();
    client = open({ UPSTREAM_CONNECTIONS: '1' });
    let release = () => undefined as void;
    const server = await listen(({ socket }, count) => {
      if (count === 1) release = () => void socket.write(answering(200, 'first'));
      else socket.write(answering(200, 'later'));
    });
    const first = client.send(call(), request(server));
    await until('the first is there', () => server.requests === 1);
    let sent = 0;
    const error = await failureOf(
      client.send(call({ timeoutMs: 39.6, beforeSend: () => void sent++ }), request(server)),
    );
    expect(error).toMatchObject({ failure: 'not_sent', message: 'no whole answer within 40 ms' });
    release();
    expect((await first).text).toBe('first');
    expect((await client.send(call(), request(server))).text).toBe('later');
    expect(sent).toBe(0);
    expect(server.requests).toBe(2);
  });
});

describe('the HTTP client reports no_answer for a request that was sent', () => {
  it.each<[string, (incoming: Incoming) => unknown, Partial<UpstreamError['evidence']>]>([
    [
      'the connection is reset',
      ({ socket }) => socket.resetAndDestroy(),
      { headersSeen: false, status: null },
    ],
    ['the connection is closed', ({ socket }) => socket.end(), { headersSeen: false, status: null }],
    ['the head is cut off', ({ socket }) => socket.end('HTTP/1.1 200 O'), { headersSeen: false }],
    [
      'the body is cut off',
      ({ socket }) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"a"'),
      { headersSeen: true, status: 200 },
    ],
    [
      'a chunked body is cut off',
      ({ socket }) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{"a"'),
      { headersSeen: true },
    ],
    ['the answer is not HTTP', ({ socket }) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), { headersSeen: false }],
    ['nothing comes before the deadline', () => undefined, { headersSeen: false, status: null }],
    [
      'the body does not end before the deadline',
      ({ socket }) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{'),
      { headersSeen: true, status: 200 },
    ],
  ])('if the answer does not come or is broken: %s', async (_, behave, evidence) => {
    const server = await listen(behave);
    const error = await failureOf(client.send(call({ timeoutMs: 1_000 }), request(server)));
    expect(error).toMatchObject({ failure: 'no_answer', evidence: { bytesSent: true, ...evidence } });
    expect(server.requests).toBe(1);
  });

  it('if the answer is too large, with or without a declared length', async () => {
    const page = 'x'.repeat(256 * 1024 + 1);
    const told = await listen(({ socket }) => socket.write(answering(200, page)));
    const untold = await listen(({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n`);
      const more = setInterval(() => socket.write(`1000\r\n${'x'.repeat(0x1000)}\r\n`), 0);
      socket.on('close', () => clearInterval(more));
    });
    for (const server of [told, untold]) {
      const error = await failureOf(client.send(call(), request(server)));
      expect(error).toMatchObject({ failure: 'no_answer', message: expect.stringContaining('larger than') });
    }
    const exact = await listen(({ socket }) => socket.write(answering(200, page.slice(1))));
    expect((await client.send(call(), request(exact))).text).toHaveLength(256 * 1024);
  });

  it('and never repeats the request, not even a GET', async () => {
    const server = await listen(({ socket }) => socket.destroy());
    const { body: _, ...get } = request(server, { method: 'GET' });
    expect((await failureOf(client.send(call(), get))).failure).toBe('no_answer');
    expect(server.requests).toBe(1);
  });

  it('and puts nothing of the request into the error', async () => {
    const server = await listen(({ socket }) => socket.destroy());
    const error = await failureOf(client.send(call(), request(server, { body: '{"otpCode":"123456"}' })));
    expect(`${error.message}${JSON.stringify(error.evidence)}`).not.toMatch(/123456|otpCode|X-Timestamp/i);
  });
});

describe('the connections of the HTTP client', () => {
  it('are used for several requests', async () => {
    const server = await listen(({ socket }) => socket.write(answering(200, '{}')));
    for (let n = 0; n < 20; n++) await client.send(call(), request(server));
    expect(server.requests).toBe(20);
    // A connection may still count as busy when its answer is returned. Then the next request opens another.
    expect(server.connections.length).toBeLessThanOrEqual(2);
  });

  it('can hang for one kind of call (lane) without blocking the other kinds', async () => {
    await client.onApplicationShutdown();
    client = open({ UPSTREAM_CONNECTIONS: '2' });
    const server = await listen(({ socket, received }) => {
      if (!received.includes('/hang')) socket.write(answering(200, 'fine'));
    });
    const hanging = request(server, { lane: 'hangs', pathAndQuery: '/hang' });
    const hung = [1500, 1500, 600, 600, 600].map((timeoutMs) =>
      failureOf(client.send(call({ timeoutMs }), hanging)),
    );
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        client.send(call({ timeoutMs: 1400 }), request(server, { lane: 'works' })),
      ),
    );
    expect(answers.every(({ text }) => text === 'fine')).toBe(true);
    expect((await Promise.all(hung)).map(({ failure }) => failure)).toEqual([
      'no_answer',
      'no_answer',
      'not_sent',
      'not_sent',
      'not_sent',
    ]);
  });

  it('are closed when their call has timed out, so that no other call gets the late answer', async () => {
    await client.onApplicationShutdown();
    client = open({ UPSTREAM_CONNECTIONS: '1' });
    const late: (() => void)[] = [];
    const server = await listen(({ socket }, count) => {
      if (count === 1) late.push(() => socket.destroyed || socket.write(answering(200, 'late')));
      else socket.write(answering(200, 'own'));
    });
    await failureOf(client.send(call({ timeoutMs: 400 }), request(server)));
    late.forEach((write) => write());
    expect((await client.send(call(), request(server))).text).toBe('own');
    expect(server.connections).toHaveLength(2);
  });

  it('are closed at shutdown, and calls in progress end', async () => {
    const server = await listen(() => undefined);
    const sent = failureOf(client.send(call(), request(server)));
    const arrived = setInterval(() => server.requests > 0 && void client.onApplicationShutdown(), 5);
    expect((await sent.finally(() => clearInterval(arrived))).failure).toBe('no_answer');
  });
});
