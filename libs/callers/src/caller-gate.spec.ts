import { request as send, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';
import { aCaller } from '#libs/testing';
import { CallerGate, admitCallers } from './caller-gate.js';
import type { Count } from './counter.js';
import type { FailedLogins } from './failed-logins.js';
import { BadToken } from './jwt-login.js';
import type { Logins } from './logins.js';
import type { RateLimits } from './rate-limits.js';

const ID = '0198a000-0000-7000-8000-00000000abcd';
const BARE = 'Bearer realm="gangway"';

/** The gate's calls to logins and limits, in order. */
let asked: string[];
let isBlocked: boolean;
let logged: FastifyRequest['raw']['logged'][];
beforeEach(() => {
  asked = [];
  isBlocked = false;
  logged = [];
});

const logins = {
  isCheckedWhileBlocked: (token: string) => token === 'familiar',
  login: async (token: string) => {
    asked.push(`login ${token}`);
    if (token === 'away') throw new ProblemError('not_ready', { detail: 'PostgreSQL is away.' });
    if (token === 'bad') throw new BadToken('it is bad');
    return aCaller('shop');
  },
} as unknown as Logins;
const failures = {
  refuseIfBlocked: () => {
    asked.push('blocked?');
    if (isBlocked) throw new ProblemError('rate_limited', { detail: 'blocked' });
  },
  note: async (_address: string, reason: string) => void asked.push(`failed: ${reason}`),
} as unknown as FailedLogins;
const count = (policy: string): Promise<Count> =>
  Promise.resolve({ policy, quota: 9, remaining: 8, resetMs: 1_000, over: false });
const limits = {
  addRequest: (name: string) => (asked.push(`request of ${name}`), count('caller')),
  addCommand: (name: string, subject: string) => (
    asked.push(`command of ${name} on ${subject}`),
    count('subject')
  ),
} as unknown as RateLimits;

let app: FastifyInstance;
beforeAll(async () => {
  app = fastify({ forceCloseConnections: true });
  app.addHook('onRequest', async ({ raw, id, ip }) => {
    raw.logged = { traceId: id, method: raw.method, url: raw.url, address: ip };
  });
  app.addHook('onResponse', async (request) => void logged.push(request.raw.logged));
  app.setErrorHandler((error: ProblemError, _request, reply) =>
    reply.status(error.status).send(error.message),
  );
  app.addHook('preParsing', async () => void asked.push('body'));
  const gate = new CallerGate(logins, failures, limits);
  admitCallers({
    get: () => gate,
    getHttpAdapter: () => ({ getInstance: () => app }),
  } as unknown as NestFastifyApplication);
  app.get('/open', () => 'open');
  const requires = { config: { requires: ['admin' as const] } };
  app.get('/things/:id', requires, ({ caller }) => caller?.name);
  app.post('/things/:id', requires, ({ caller }) => caller?.name);
  await app.listen({ port: 0, host: '127.0.0.1' });
});
afterAll(() => app.close());

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

function ask(
  authorization?: string | string[],
  { method = 'GET', path = '/things/1' }: { method?: string; path?: string } = {},
): Promise<Answer> {
  const { port } = app.server.address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const headers = authorization === undefined ? {} : { authorization: authorization as string };
    const request = send({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode!, headers: response.headers, body }),
        reject,
      );
    });
    request.once('error', reject).end();
  });
}

describe('the caller gate', () => {
  it('admits every request to a route without a scope, and checks no token', async () => {
    expect(await ask('Bearer bad', { path: '/open' })).toMatchObject({ status: 200, body: 'open' });
    expect(asked).toEqual(['body']);
  });

  it('identifies the caller before it reads the body, and counts the request', async () => {
    const answer = await ask('Bearer good');
    expect(answer).toMatchObject({ status: 200, body: 'shop' });
    expect(asked).toEqual(['blocked?', 'login good', 'request of shop', 'body']);
    expect(logged).toMatchObject([{ caller: 'shop' }]);
    expect(answer.headers).toMatchObject({
      ratelimit: '"caller";r=8;t=1',
      'ratelimit-policy': '"caller";q=9;w=60',
    });
  });

  it.each([
    ['no header', undefined, BARE, []],
    ['an empty header', '', BARE, []],
    ['another scheme', 'Basic c2hvcDpzZWNyZXQ=', BARE, ['failed: no bearer token']],
    ['two tokens in one header', 'Bearer good good', BARE, ['failed: no bearer token']],
    [
      'an invalid token',
      'Bearer bad',
      expect.stringContaining('error="invalid_token"'),
      ['failed: it is bad'],
    ],
    [
      'two headers',
      ['Bearer good', 'Bearer good'],
      expect.stringContaining('error="invalid_token"'),
      ['failed: two Authorization headers'],
    ],
  ])('refuses %s, and gives no reason in the answer', async (_, authorization, challenge, failed) => {
    const answer = await ask(authorization);
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, challenge]);
    expect(asked.filter((each) => each.startsWith('failed'))).toEqual(failed);
    expect(asked).not.toContain('body');
    expect(answer.body).not.toContain('it is bad');
    expect(logged[0]?.caller).toBeUndefined();
  });

  it('writes the reason of a refusal into the log line of the request', async () => {
    await ask('Bearer bad');
    expect(logged).toMatchObject([{ reason: 'it is bad' }]);
  });

  it.each(['Bearer good', 'bearer good', 'BEARER   good'])(
    'accepts the word Bearer in upper or lower case: %s',
    async (given) => {
      expect((await ask(given)).status).toBe(200);
    },
  );

  it('refuses a blocked address, unless the token needs no database or was valid lately', async () => {
    isBlocked = true;
    for (const given of [undefined, 'Basic x', 'Bearer good', 'Bearer bad']) {
      expect((await ask(given)).status).toBe(429);
    }
    expect(asked.filter((each) => each !== 'blocked?')).toEqual([]);
    expect((await ask('Bearer familiar')).status).toBe(200);
  });

  it('answers 503 if it cannot check a token, and counts no failed login', async () => {
    const answer = await ask('Bearer away');
    expect(answer.status).toBe(503);
    expect(answer.headers).not.toHaveProperty('www-authenticate');
    expect(asked.some((each) => each.startsWith('failed'))).toBe(false);
  });
});

describe('a request of a caller', () => {
  it.each([
    ['POST', `/things/${ID}`, [`command of shop on ${ID}`]],
    ['POST', `/things/${ID.toUpperCase()}`, [`command of shop on ${ID}`]],
    ['POST', '/things/none', []],
    ['GET', `/things/${ID}`, []],
    ['HEAD', `/things/${ID}`, []],
  ])('is also counted for its onboarding if it is a command: %s %s', async (method, path, counted) => {
    await ask('Bearer good', { method, path });
    expect(asked.filter((each) => each.startsWith('command'))).toEqual(counted);
  });
});
