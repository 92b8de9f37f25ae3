import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '#libs/kernel';
import { aCall, testConfig, until } from '#libs/testing';
import { answering, RawServer, type Incoming } from '../fixtures/raw-server.js';
import { UpstreamHttpClient } from './http-client.js';

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const HINTS = 'HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n';
const FINAL = answering(200, '{"sessionId":"s-1"}', 'x-final: yes\r\n');

let client: UpstreamHttpClient;
let server: RawServer;
beforeEach(() => {
  client = new UpstreamHttpClient(testConfig({ UPSTREAM_CONNECTIONS: '1' }), systemClock);
});
afterEach(async () => {
  await client.onApplicationShutdown();
  await server.close();
});

const send = (timeoutMs = 2_000) =>
  client.send(aCall({ timeoutMs }), {
    baseUrl: server.url,
    lane: 'one',
    method: 'POST',
    pathAndQuery: '/v1/submit/otp-auth',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });

const listen = async (behave: (incoming: Incoming, count: number) => unknown) => {
  server = await RawServer.listen(behave);
};

describe('interim answers (1xx)', () => {
  it.each<[string, string[]]>([
    ['100', [CONTINUE + FINAL]],
    ['100 in a packet of its own', [CONTINUE, FINAL]],
    ['100 with headers', [`HTTP/1.1 100 Continue\r\nx-interim: yes\r\ncontent-length: 9\r\n\r\n${FINAL}`]],
    ['100 without a reason', [`HTTP/1.1 100 \r\n\r\n${FINAL}`]],
    ['100 of HTTP/1.0', [`HTTP/1.0 100 Continue\r\n\r\n${FINAL}`]],
    ['several 100', [CONTINUE.repeat(5), CONTINUE + FINAL]],
    ['102', [`HTTP/1.1 102 Processing\r\n\r\n${FINAL}`]],
    ['103', [HINTS + FINAL]],
    ['103, then 100', [HINTS, CONTINUE, FINAL]],
    ['100, then 103', [CONTINUE + HINTS, FINAL]],
    ['a status that has no name', [`HTTP/1.1 142 x\r\n\r\n${FINAL}`]],
    ['100 byte by byte', [...(CONTINUE + FINAL)]],
  ])('%s: the client skips it and reads the final answer', async (_, packets) => {
    await listen(async ({ socket }) => {
      socket.setNoDelay();
      for (const packet of packets) {
        socket.write(packet);
        await new Promise(setImmediate);
      }
    });
    const answer = await send();
    expect(answer).toMatchObject({ status: 200, text: '{"sessionId":"s-1"}', evidence: { status: 200 } });
    expect(answer.headers).toMatchObject({ 'x-final': 'yes' });
    expect(answer.headers).not.toHaveProperty('x-interim');
    expect(server.requests).toBe(1);
  });

  it('leave the connection open for the next request', async () => {
    await listen(({ socket }) => socket.write(CONTINUE + FINAL));
    for (let n = 0; n < 5; n++) expect((await send()).status).toBe(200);
    expect(server.connections).toHaveLength(1);
  });

  it('can be split into packets at any byte', async () => {
    const bytes = HINTS + CONTINUE + FINAL;
    let cuts: number[] = [];
    await listen(async ({ socket }) => {
      let from = 0;
      for (const cut of [...cuts, bytes.length]) {
        socket.write(bytes.slice(from, cut));
        from = cut;
        await new Promise(setImmediate);
      }
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 6 }), async (at) => {
        cuts = at.toSorted((a, b) => a - b);
        expect((await send()).text).toBe('{"sessionId":"s-1"}');
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, string]>([
    ['an interim answer alone', CONTINUE],
    ['half an interim answer', 'HTTP/1.1 100 Continue\r\nx: y'],
    ['half a status line', 'HTTP/1.1 1'],
    ['another protocol', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'],
    ['an interim head without end', `HTTP/1.1 100 Continue\r\nx: ${'y'.repeat(20_000)}`],
    ['a body after an interim answer', `HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\nhello${FINAL}`],
  ])('%s does not count as an answer', async (_, bytes) => {
    await listen(({ socket }) => socket.write(bytes));
    await expect(send(700)).rejects.toMatchObject({
      failure: 'no_answer',
      evidence: { bytesSent: true, headersSeen: false, status: null },
    });
  });

  it.each([CONTINUE, 'HTTP/1.1 1'])(
    'do not count as an answer if the connection closes after %j',
    async (bytes) => {
      await listen(({ socket }) => socket.end(bytes));
      await expect(send()).rejects.toMatchObject({ failure: 'no_answer' });
    },
  );

  it('are not looked for in the body of an answer', async () => {
    const body = CONTINUE + FINAL;
    await listen(async ({ socket }) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`);
      await new Promise(setImmediate);
      socket.write(body);
    });
    expect((await send()).text).toBe(body);
  });

  it('end the connection if no request is pending', async () => {
    await listen(({ socket }, count) => {
      socket.write(FINAL);
      if (count === 1) setImmediate(() => socket.write(CONTINUE));
    });
    await send();
    await until('the first connection is gone', () => server.connections[0]!.socket.destroyed);
    expect((await send()).status).toBe(200);
    expect(server.connections).toHaveLength(2);
  });

  it('do not extend the deadline, however many come', async () => {
    await listen(({ socket }) => {
      const more = setInterval(() => socket.write(CONTINUE), 1);
      void once(socket, 'close').then(() => clearInterval(more));
    });
    await expect(send(200)).rejects.toMatchObject({ message: 'no whole answer within 200 ms' });
  });
});
