import 'reflect-metadata';
import type { IncomingMessage } from 'node:http';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Logger } from 'nestjs-pino';
import { ProblemError } from '#libs/kernel';
import { Health } from './health.js';
import { requestIdOf } from './logging.js';
import { ProblemFilter, sendProblem, type OutageTest } from './problem.filter.js';
import { traceparentOf } from './trace-context.js';
import { validationPipe } from './validation.pipe.js';

const BODY_LIMIT_BYTES = 256 * 1024;

/**
 * A Nest application on Fastify as all of ours are: problems for errors, schemas at the edge, no cached
 * answer, the request's id on the way out.
 *
 * @param isOutage which errors mean that something we need is away (503 rather than 500).
 */
export async function createHttpApp(
  module: DynamicModule,
  isOutage: OutageTest,
): Promise<NestFastifyApplication> {
  const filter = new ProblemFilter(isOutage);
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    // Fastify asks first; the logger then finds the id on the raw request, so that both speak of one.
    genReqId: (request: IncomingMessage) => String((request.id = requestIdOf(request))),
    forceCloseConnections: 'idle',
    // What fails before there is a route, such as a path that cannot be decoded, reaches neither Nest nor hooks.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      stamp(request, reply);
      filter.answer(error, request, reply);
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bufferLogs: true,
    abortOnError: false,
  });
  app.useLogger(app.get(Logger));
  app.useGlobalPipes(validationPipe);
  app.useGlobalFilters(filter);
  const health = app.get(Health);
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', async (request, reply) => {
    if (!health.closed || request.method === 'GET') return;
    const detail = 'The service is stopping; another replica will take this.';
    return sendProblem(new ProblemError('not_ready', { detail, retryAfterS: 1 }), request, reply);
  });
  fastify.addHook('onSend', async (request, reply) => {
    stamp(request, reply);
    // A connection that is kept alive would be closed under the next request on it.
    if (health.draining) reply.header('Connection', 'close');
  });
  return app;
}

/** What every answer carries, whoever gives it. */
function stamp(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('Cache-Control', 'no-store');
  reply.header('X-Request-Id', request.id);
  reply.header('traceparent', traceparentOf(request.headers['traceparent']));
}
