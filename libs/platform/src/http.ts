import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Logger } from 'nestjs-pino';
import { PROBLEMS, ProblemError, isUncoded, problemType } from '#libs/kernel';
import { bareForwardedFor } from './forwarded-for.js';
import { Health } from './health.js';
import { badHost } from './host-header.js';
import { limitJsonValues } from './json-body.js';
import { currentRequest, requestIdOf } from './logging.js';
import { ProblemFilter, sendProblem, type OutageTest } from './problem.filter.js';
import { RequestLog } from './request-log.js';
import { HSTS, SECURITY_HEADERS } from './security-headers.js';
import { traceparentOf } from './trace-context.js';
import { validationPipe } from './validation.pipe.js';
import { refuseWrongMethods } from './wrong-methods.js';

const BODY_LIMIT_BYTES = 256 * 1024;
/** For the whole request to arrive. */
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * A Nest application on Fastify as all of ours are: problems for errors, schemas at the edge, no cached
 * answer, the request's id on the way out.
 *
 * @param findOutage which errors mean that something we need is away (503 rather than 500).
 * @param trustedProxies whose `X-Forwarded-…` says where a request came from, and whether over TLS.
 */
export async function createHttpApp(
  module: DynamicModule,
  findOutage: OutageTest,
  trustedProxies: readonly string[] = [],
): Promise<NestFastifyApplication> {
  const filter = new ProblemFilter(findOutage);
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    // Who sends a body byte by byte holds a connection; Node looks every 30 s.
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Node's own refusal has no body, and nothing logs it; badHost gives ours.
    http: { requireHostHeader: false },
    // An id that is too long is a wrong id, and said to be one by who reads it.
    routerOptions: { maxParamLength: 16_384 },
    // Fastify asks first; the logger then finds the id on the raw request, so that both speak of one.
    genReqId: (request: IncomingMessage) => String((request.id = requestIdOf(request))),
    forceCloseConnections: 'idle',
    // An empty list would trust nobody as well, but so that Fastify looks at the headers for nothing.
    ...(trustedProxies.length > 0 && { trustProxy: [...trustedProxies] }),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, app.get(RequestLog)),
    // What fails before there is a route, such as a path that cannot be decoded, reaches neither Nest nor hooks.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(SECURITY_HEADERS);
      stamp(request, reply);
      filter.answer(error, request, reply);
      app.get(RequestLog).answered(request, reply);
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    // The boot's own lines are nobody's to read; what stops it is said by whoever called.
    logger: false,
    abortOnError: false,
    bodyParser: false, // Fastify's own takes JSON, and nothing here takes forms
  });
  app.useLogger(app.get(Logger));
  app.useGlobalPipes(validationPipe);
  app.useGlobalFilters(filter);
  const [health, requestLog] = [app.get(Health), app.get(RequestLog)];
  const fastify = app.getHttpAdapter().getInstance();
  fastify.removeContentTypeParser('text/plain');
  limitJsonValues(fastify);
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    const { method, url } = request.raw;
    request.raw.logged = { traceId: request.id, method, url, address: request.ip };
    currentRequest.run(request.raw.logged, done);
  });
  // Without a listener Node refuses it, without a body or a log line. It may be ignored (RFC 9110 §10.1.1).
  fastify.server.on('checkExpectation', (request, response) => {
    fastify.server.emit('request', request, response);
  });
  // Without a listener Node hangs up, and says nothing: nobody is connected to anywhere from here (RFC 9110 §9.3.6).
  fastify.server.on('connect', (_request, socket) =>
    answerClientError(new Error('CONNECT'), socket as Socket, requestLog),
  );
  if (trustedProxies.length > 0) {
    // For Fastify, an address with a port would be another address with each connection.
    fastify.addHook('onRequest', async ({ headers }) => {
      const given = [headers['x-forwarded-for'] ?? []].flat().join(',');
      const bare = bareForwardedFor(given);
      if (bare === null) delete headers['x-forwarded-for'];
      else headers['x-forwarded-for'] = bare;
      // A scheme in capitals is the same scheme (RFC 3986 §3.1).
      const scheme = headers['x-forwarded-proto'];
      if (scheme !== undefined) headers['x-forwarded-proto'] = String(scheme).toLowerCase();
    });
  }
  fastify.addHook('onRequest', async (request, reply) => {
    const detail = badHost(request.raw);
    if (!detail) return;
    return sendProblem(new ProblemError('validation_failed', { detail }), request, reply);
  });
  fastify.addHook('onRequest', async (request, reply) => {
    const { headers } = request;
    // A client that names JSON and sends nothing means no body.
    const empty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
    if (empty) {
      delete headers['content-type'];
      return;
    }
    if (isUncoded(headers['content-encoding'])) return;
    const detail = 'Send the body as it is: no content encoding is taken.';
    return sendProblem(new ProblemError('unsupported_media_type', { detail }), request, reply);
  });
  fastify.addHook('onRequest', async (request, reply) => {
    if (!health.closed || request.method === 'GET') return;
    const detail = 'The service is stopping; another replica will take this.';
    return sendProblem(new ProblemError('not_ready', { detail, retryAfterS: 1 }), request, reply);
  });
  refuseWrongMethods(fastify);
  // For plugins that answer errors by themselves, such as the queue board.
  fastify.addHook('onError', async (request, _reply, error) => {
    request.problem = filter.problemOf(error);
  });
  fastify.addHook('onResponse', async (request, reply) => requestLog.answered(request, reply));
  fastify.addHook('onSend', async (request, reply) => {
    stamp(request, reply);
    // A connection that is kept alive would be closed under the next request on it.
    if (health.draining) reply.header('Connection', 'close');
  });
  return app;
}

/** A request that Node could not make sense of has no route, no id and no reply: only its socket. */
function answerClientError(error: Error & { code?: string }, socket: Socket, log: RequestLog): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const status = tooLarge ? 431 : 400;
  const traceId = randomUUID();
  log.problem({
    traceId,
    status,
    code: 'validation_failed',
    retryable: false,
    address: socket.remoteAddress,
  });
  const body = JSON.stringify({
    type: problemType('validation_failed'),
    title: PROBLEMS.validation_failed.title,
    status,
    detail: tooLarge ? 'The headers are too large.' : 'This is no HTTP request.',
    instance: '',
    code: 'validation_failed',
    traceId,
    retryable: false,
  });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n` +
      `X-Request-Id: ${traceId}\r\n` +
      Object.entries(SECURITY_HEADERS)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('') +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** What every answer carries, whoever gives it. */
function stamp(request: FastifyRequest, reply: FastifyReply): void {
  reply.header('Cache-Control', 'no-store');
  reply.header('X-Request-Id', request.id);
  if (request.protocol === 'https') reply.header('Strict-Transport-Security', HSTS);
  reply.header('traceparent', traceparentOf(request.headers['traceparent']));
}
