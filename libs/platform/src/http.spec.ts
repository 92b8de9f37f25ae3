import { Body, ConflictException, Controller, Get, Module, Param, Post, Query } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { PROBLEMS, PROBLEM_CODES, ProblemError } from '#libs/kernel';
import { testConfig } from '#libs/testing';
import { Health } from './health.js';
import { createHttpApp } from './http.js';
import { PlatformModule } from './platform.module.js';

class Outage extends Error {}

let thrown: () => unknown = () => new Error('nothing to throw');

const body = z.strictObject({
  code: z.string().min(6),
  list: z.array(z.object({ 'a/b~c': z.int() })).optional(),
});

@Controller('spec')
class SpecController {
  @Get('fine')
  fine() {
    return { fine: true };
  }

  @Get('thrown')
  throws() {
    throw thrown();
  }

  @Post('body')
  body(@Body({ schema: body }) given: z.output<typeof body>) {
    return given;
  }

  @Get('item/:id')
  item(
    @Param('id', { schema: z.uuid() }) id: string,
    @Query({ schema: z.strictObject({ limit: z.coerce.number().int().max(5).default(1) }) }) query: object,
  ) {
    return { id, query };
  }
}

let app: NestFastifyApplication;
beforeAll(async () => {
  @Module({ imports: [PlatformModule.forRoot(testConfig())], controllers: [SpecController] })
  class SpecModule {}
  app = await createHttpApp({ module: SpecModule }, (error) =>
    error instanceof Outage ? 'The database is away.' : null,
  );
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
});
afterAll(() => app.close());

type Options = Exclude<Parameters<NestFastifyApplication['inject']>[0], undefined | string>;
const ask = async (url: string, options: Partial<Options> = {}) => {
  const answer = await app.inject({ method: 'GET', url, ...options });
  return {
    status: answer.statusCode,
    headers: answer.headers,
    text: answer.body,
    body: answer.json<Record<string, unknown>>(),
  };
};
const post = (payload: unknown, headers: Record<string, string> = { 'content-type': 'application/json' }) =>
  ask('/spec/body', {
    method: 'POST',
    payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
    headers,
  });

async function whatComesOf(error: unknown) {
  thrown = () => error;
  return ask('/spec/thrown?code=123456');
}

describe('the problem of a refused request', () => {
  it.each(PROBLEM_CODES)('has the status and the title that belong to its code: %s', async (code) => {
    const {
      status,
      headers,
      body: problem,
    } = await whatComesOf(new ProblemError(code, { detail: 'because' }));
    expect(status).toBe(PROBLEMS[code].status);
    expect(headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(problem).toEqual({
      type: `/docs/errors#${code}`,
      title: PROBLEMS[code].title,
      status,
      detail: 'because',
      instance: '/spec/thrown',
      code,
      traceId: headers['x-request-id'],
      retryable: status === 429 || status === 503,
    });
    expect(headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
  });

  it('has the status, time to wait, errors and extensions of the thrown ProblemError', async () => {
    const errors = [{ pointer: '/authenticators/0', code: 'challenge_mismatch' as const, detail: 'no' }];
    const {
      status,
      headers,
      body: problem,
    } = await whatComesOf(
      new ProblemError('otp_locked', {
        detail: 'x',
        status: 429,
        retryAfterS: 30,
        errors,
        extensions: { attemptsLeft: 0 },
      }),
    );
    expect([status, headers['retry-after'], problem['retryable']]).toEqual([429, '30', true]);
    expect(problem).toMatchObject({ errors, attemptsLeft: 0 });
  });

  it.each([
    ['a bug', new TypeError('cannot read secret-of-ours')],
    ['a thrown text', 'secret-of-ours'],
    ['nothing at all', null],
    ['a status without a code of ours', new ConflictException('secret-of-ours')],
    ['a status that is not a number', Object.assign(new Error('secret-of-ours'), { statusCode: 'no' })],
  ])('hides the text of an unexpected error: %s', async (_, error) => {
    const { status, body: problem, text } = await whatComesOf(error);
    expect([status, problem['code']]).toEqual([500, 'internal']);
    expect(text).not.toMatch(/secret-of-ours|\.ts|at /);
  });

  it('has status 503 and the time to wait if a server that Gangway needs is not available', async () => {
    const { status, headers, body: problem } = await whatComesOf(new Outage('ECONNREFUSED 10.1.2.3:5432'));
    expect([status, headers['retry-after'], problem['code'], problem['retryable']]).toEqual([
      503,
      '2',
      'not_ready',
      true,
    ]);
    expect(JSON.stringify(problem)).not.toContain('10.1.2.3');
  });

  it.each([
    ['an unknown path', () => ask('/nowhere'), 404, 'not_found'],
    ['a path that cannot be decoded', () => ask('/spec/item/%zz'), 400, 'validation_failed'],
    ['a body that is not JSON', () => post('{"code": 1234567'), 400, 'validation_failed'],
    ['no body at all', () => post(''), 400, 'validation_failed'],
    ['a body that is not an object', () => post('[]'), 400, 'validation_failed'],
    [
      'a body of another type',
      () => post('<code/>', { 'content-type': 'text/xml' }),
      415,
      'unsupported_media_type',
    ],
    ['a body of too many values', () => post({ list: Array(9000).fill(0) }), 413, 'payload_too_large'],
    ['a body of too many levels', () => post(`{"code":${'['.repeat(9000)}`), 413, 'payload_too_large'],
    ['a body that is too large', () => post({ code: 'x'.repeat(256 * 1024) }), 413, 'payload_too_large'],
    ['a body with a prototype in it', () => post('{"__proto__": {"admin": true}}'), 400, 'validation_failed'],
  ])('is the answer to a request with %s', async (_, asked, status, code) => {
    const answer = await asked();
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ code, status, traceId: answer.headers['x-request-id'] });
    expect(answer.headers['cache-control']).toBe('no-store');
    expect(answer.text).not.toContain('1234567');
  });
});

describe('the problem of a body that cannot be read', () => {
  it.each([
    ['half a body', '{"code": 1234567', 'application/json', /^The body is not valid JSON/],
    ['two bodies', '{}{}', 'application/json', /^The body is not valid JSON/],
    ['an object with a prototype', '{"__proto__": {}}', 'application/json', /__proto__/],
    ['of another type', '{}', 'application/merge-patch+json', /Content-Type "application\/json"/],
  ])('says what to correct if the body is %s', async (_, sent, type, words) => {
    expect((await post(sent, { 'content-type': type })).body['detail']).toMatch(words);
  });
});

describe('the scheme in X-Forwarded-Proto of a trusted proxy', () => {
  @Module({ imports: [PlatformModule.forRoot(testConfig())] })
  class SpecModule {}

  it.each(['https', 'HTTPS', 'http, Https'])('may be in upper or lower case: %s', async (scheme) => {
    const behind = await createHttpApp({ module: SpecModule }, () => null, ['127.0.0.1']);
    await behind.init();
    const headers = { 'x-forwarded-proto': scheme };
    const answer = await behind.inject({ method: 'GET', url: '/health/live', headers });
    expect(answer.headers['strict-transport-security']).toMatch(/^max-age=/);
    await behind.close();
  });
});

it('the log has the address in X-Forwarded-For of a trusted proxy, without its port', async () => {
  @Module({ imports: [PlatformModule.forRoot(testConfig())] })
  class SpecModule {}
  const behind = await createHttpApp({ module: SpecModule }, () => null, ['127.0.0.1']);
  const logged: unknown[] = [];
  behind
    .getHttpAdapter()
    .getInstance()
    .addHook('onResponse', async ({ raw }) => {
      logged.push(raw.logged?.address);
    });
  await behind.init();
  const headers = { 'x-forwarded-for': '203.0.113.9:4711' };
  await behind.inject({ method: 'GET', url: '/health/live', headers });
  await behind.close();
  expect(logged).toEqual(['203.0.113.9']);
});

describe('a request with a wrong method', () => {
  it.each([
    ['DELETE', '/spec/body', 'POST'],
    ['GET', '/spec/body', 'POST'],
    ['HEAD', '/spec/body?code=1', 'POST'],
    ['POST', '/spec/fine', 'GET, HEAD'],
    ['OPTIONS', '/spec/fine', 'GET, HEAD'],
    ['PUT', '/spec/item/0198a000-0000-7000-8000-000000000001', 'GET, HEAD'],
    ['PATCH', '/spec/item/%2F', 'GET, HEAD'],
    ['TRACE', '/health/live', 'GET, HEAD'],
    ['PROPFIND', '/metrics', 'GET, HEAD'],
  ])('is refused with a list of the allowed methods: %s %s', async (method, url, allow) => {
    const answer = await app.inject({ method: method as 'GET', url });
    expect([answer.statusCode, answer.headers['allow']]).toEqual([405, allow]);
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', 'x-request-id': expect.any(String) });
    if (method !== 'HEAD') expect(answer.json()).toMatchObject({ code: 'method_not_allowed', status: 405 });
  });

  it.each([
    '/spec/fine/',
    '//spec/fine',
    '/Spec/fine',
    '/spec/item',
    '/spec/item/a/b',
    '/spec%2Ffine',
    '/specxfine',
  ])('is answered with 404 if no route has exactly this path: %s', async (url) => {
    const answer = await app.inject({ method: 'DELETE', url });
    expect([answer.statusCode, answer.headers['allow']]).toEqual([404, undefined]);
  });
});

describe('the validation of a body', () => {
  it('points to each fault by a JSON pointer (RFC 6901)', async () => {
    const { body: problem } = await post({
      code: 'short',
      list: [{ 'a/b~c': 1 }, { 'a/b~c': 'one' }],
      more: 1,
    });
    const errors = problem['errors'] as { pointer: string; code: string }[];
    expect(errors.map(({ pointer, code }) => [pointer, code]).sort()).toEqual([
      ['', 'unrecognized_keys'],
      ['/code', 'too_small'],
      ['/list/1/a~1b~0c', 'invalid_type'],
    ]);
  });

  it('gives the route the values that the schema returns', async () => {
    const id = '0198a000-0000-7000-8000-000000000001';
    expect((await ask(`/spec/item/${id}?limit=3`)).body).toEqual({ id, query: { limit: 3 } });
    expect((await ask(`/spec/item/${id}`)).body).toEqual({ id, query: { limit: 1 } });
    expect((await ask(`/spec/item/${id}?limit=9&x=1`)).status).toBe(400);
    expect((await ask('/spec/item/none')).status).toBe(400);
  });
});

describe('a request', () => {
  it.each([
    ['gzip', true],
    ['identity, br', true],
    ['', false],
    ['Identity', false],
    ['identity, identity', false],
  ])('is refused only if its content encoding is not identity: %j', async (coding, refused) => {
    const headers = { 'content-type': 'application/json', 'content-encoding': coding };
    expect((await post({}, headers)).status === 415).toBe(refused);
  });

  it('must arrive completely within half a minute', () => {
    expect(app.getHttpServer()).toMatchObject({ requestTimeout: 30_000 });
  });
});

describe('every answer', () => {
  it('has the id and the trace that the caller sent, if they are valid', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const { headers } = await ask('/spec/fine', { headers: { 'x-request-id': 'caller-1', traceparent } });
    expect(headers).toMatchObject({ 'x-request-id': 'caller-1', traceparent, 'cache-control': 'no-store' });
  });

  it.each(['', 'with space', 'x'.repeat(129), 'a\u00e9', '<script>'])(
    'has a new id if the caller’s id is not valid: %p',
    async (given) => {
      const { headers } = await ask('/spec/fine', { headers: { 'x-request-id': given } });
      expect(headers['x-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
    },
  );

  it.each([
    '',
    '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
    '01-4bf92f35',
    'x',
  ])('has a new trace if the caller’s traceparent is not valid: %p', async (given) => {
    const { headers } = await ask('/spec/fine', { headers: { traceparent: given } });
    expect(headers['traceparent']).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-00$/);
  });
});

describe('a service that is stopping', () => {
  it('first reports that it is not ready and accepts all requests, then accepts only reads', async () => {
    @Module({ imports: [PlatformModule.forRoot(testConfig())], controllers: [SpecController] })
    class SpecModule {}
    const stopping = await createHttpApp({ module: SpecModule }, () => null);
    await stopping.init();
    const ways = () =>
      Promise.all([
        stopping.inject({ method: 'POST', url: '/spec/body', payload: { code: '123456' } }),
        stopping.inject({ method: 'GET', url: '/spec/fine' }),
        stopping.inject({ method: 'GET', url: '/health/ready' }),
        stopping.inject({ method: 'GET', url: '/health/live' }),
      ]);
    const health = stopping.get(Health);

    health.drain();
    const drained = await ways();
    expect(drained.map(({ statusCode }) => statusCode)).toEqual([201, 200, 503, 200]);
    expect(drained.map(({ headers }) => headers['connection'])).toEqual(Array(4).fill('close'));

    health.close();
    const closed = await ways();
    expect(closed.map(({ statusCode }) => statusCode)).toEqual([503, 200, 503, 200]);
    expect(closed[0]!.json()).toMatchObject({ code: 'not_ready', retryable: true });
    expect(closed[0]!.headers['retry-after']).toBe('1');
    await stopping.close();
  });
});
