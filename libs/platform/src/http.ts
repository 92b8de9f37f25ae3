import 'reflect-metadata';
import type { IncomingMessage } from 'node:http';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from 'nestjs-pino';
import { requestIdOf } from './logging.js';
import { ProblemFilter, type OutageTest } from './problem.filter.js';
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
  module: Parameters<typeof NestFactory.create>[0] | Type,
  isOutage: OutageTest,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    // Fastify asks first; the logger then finds the id on the raw request, so that both speak of one.
    genReqId: (request: IncomingMessage) => String((request.id = requestIdOf(request))),
    forceCloseConnections: 'idle',
    routerOptions: { ignoreTrailingSlash: false },
  });
  const app = await NestFactory.create<NestFastifyApplication>(module as Type, adapter, {
    bufferLogs: true,
    abortOnError: false,
  });
  app.useLogger(app.get(Logger));
  app.useGlobalPipes(validationPipe);
  const filter = new ProblemFilter(isOutage);
  app.useGlobalFilters(filter);
  const fastify = app.getHttpAdapter().getInstance();
  // What fails before Nest sees it (a path that cannot be decoded, a body that is no JSON) is a problem too.
  fastify.setErrorHandler((error, request, reply) => filter.answer(error, request, reply));
  fastify.addHook('onSend', async (request, reply) => {
    reply.header('Cache-Control', 'no-store');
    reply.header('X-Request-Id', request.id);
    reply.header('traceparent', traceparentOf(request.headers['traceparent']));
  });
  return app;
}
