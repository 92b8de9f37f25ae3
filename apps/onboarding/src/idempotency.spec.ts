import { afterEach, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { fastify } from 'fastify';
import type { KeptAnswer } from '#libs/onboarding';
import { keepAnswers } from './idempotency.js';

const MADE: KeptAnswer = {
  status: 202,
  headers: {
    'content-type': 'application/json; charset=utf-8',
    etag: '"1"',
    location: '/v1/onboardings/an-id',
  },
  body: '{"state":"otp_submitted"}',
};
const server = fastify();
/** The answers that `keepAnswers` asked to store. */
const offered: KeptAnswer[] = [];
afterEach(() => void offered.splice(0));
let stored: KeptAnswer | null = null;

const keys = {
  answer: (_: unknown, answer: KeptAnswer) => {
    offered.push(answer);
    return Promise.resolve(stored ?? answer);
  },
};
const app = { get: () => keys, getHttpAdapter: () => ({ getInstance: () => server }) };
keepAnswers(app as unknown as NestFastifyApplication);
server.post('/', (request, reply) => {
  request.keyed = { request: {}, keep: true } as NonNullable<typeof request.keyed>;
  return reply.status(MADE.status).headers(MADE.headers).send(MADE.body);
});
const post = () => server.inject({ method: 'POST', url: '/' });

describe('the answer to a request with an idempotency key', () => {
  it('is stored with its headers, and sent', async () => {
    const { statusCode, headers, body } = await post();
    expect({ statusCode, body }).toEqual({ statusCode: MADE.status, body: MADE.body });
    expect(headers).toMatchObject({ etag: '"1"', location: MADE.headers['location'] });
    expect(offered).toEqual([MADE]);
  });

  it('is replaced by an answer that was stored before, and loses its own headers', async () => {
    stored = {
      status: 200,
      headers: { 'content-type': 'application/json; charset=utf-8', etag: '"2"' },
      body: '{"state":"otp_verified"}',
    };
    const { statusCode, headers, body } = await post();
    expect({ statusCode, body }).toEqual({ statusCode: 200, body: stored.body });
    expect(headers).toMatchObject({ ...stored.headers, 'idempotent-replayed': 'true' });
    expect(headers['location']).toBeUndefined();
    expect(Number(headers['content-length'])).toBe(stored.body.length);
  });
});
