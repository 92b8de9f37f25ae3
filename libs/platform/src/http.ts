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
import { requestIdOf } from './logging.js';
import { currentRequest } from './signals/current-work.js';
import { ProblemFilter, sendProblem, type OutageTest, type ProblemAnswer } from './problem.filter.js';
import { RequestLog } from './request-log.js';
import { HSTS, SECURITY_HEADERS } from './security-headers.js';
import { HttpMetrics } from './signals/metrics-http.js';
import { traceRequests } from './signals/request-span.js';
import { Tracing } from './signals/tracing.js';
import { traceparentOf } from './trace-context.js';
import { validationPipe } from './validation.pipe.js';
import { refuseWrongMethods } from './wrong-methods.js';

declare module 'fastify' {
  interface FastifyReply {
    /** Answers with the problem that {@link ProblemFilter} makes from an error. */
    sendError(this: FastifyReply, error: unknown): void;
  }
}

const BODY_LIMIT_BYTES = 256 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

/**
 * The app answers errors as problems, checks input by schemas, and forbids caching.
 *
 * @param findOutage distinguishes errors of a server that is not available (503) from other errors (500).
 * @param trustedProxies their `X-Forwarded-…` headers give the client's address and scheme.
 * @param answer writes a problem as an answer.
 */
export async function createHttpApp(
  module: DynamicModule,
  findOutage: OutageTest,
  trustedProxies: readonly string[] = [],
  answer: ProblemAnswer = sendProblem,
): Promise<NestFastifyApplication> {
  const filter = new ProblemFilter(findOutage, answer);
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    // Otherwise a client could hold a connection by sending single bytes.
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Node.js would refuse a request without a Host header with no body and no log line. See `badHost`.
    http: { requireHostHeader: false },
    // An id that is too long must reach the route, and get the same error as any wrong id.
    routerOptions: { maxParamLength: 16_384 },
    // Fastify calls this function before the logger, which reads the id from the raw request.
    genReqId: (request: IncomingMessage) => String((request.id = requestIdOf(request))),
    forceCloseConnections: 'idle',
    ...(trustedProxies.length > 0 && { trustProxy: [...trustedProxies] }),
    clientErrorHandler: (error, socket) => answerClientError(error, socket, app),
    // Errors before routing, such as an undecodable path, reach neither Nest nor its hooks.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(SECURITY_HEADERS);
      stamp(request, reply);
      filter.answer(error, request, reply);
      app.get(RequestLog).answered(request, reply);
      app.get(HttpMetrics).answered(request, reply);
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    // The caller of this function reports an error that stops the boot.
    logger: false,
    abortOnError: false,
    bodyParser: false, // Fastify's own parser reads JSON, and the API accepts no forms
  });
  app.useLogger(app.get(Logger));
  app.useGlobalPipes(validationPipe);
  app.useGlobalFilters(filter);
  const [health, requestLog, httpMetrics] = [app.get(Health), app.get(RequestLog), app.get(HttpMetrics)];
  const fastify = app.getHttpAdapter().getInstance();
  fastify.removeContentTypeParser('text/plain');
  fastify.decorateReply('sendError', function (error) {
    filter.answer(error, this.request, this);
  });
  limitJsonValues(fastify);
  if (trustedProxies.length > 0) {
    // Comes first, because later hooks read the address. Removes ports, because each connection of a client
    // has another port.
    fastify.addHook('onRequest', ({ headers }, _reply, done) => {
      const given = [headers['x-forwarded-for'] ?? []].flat().join(',');
      const bare = bareForwardedFor(given);
      if (bare === null) delete headers['x-forwarded-for'];
      else headers['x-forwarded-for'] = bare;
      // Schemes are case-insensitive (RFC 3986 §3.1), but Fastify compares them exactly.
      const scheme = headers['x-forwarded-proto'];
      if (scheme !== undefined) headers['x-forwarded-proto'] = String(scheme).toLowerCase();
      done();
    });
  }
  const tracing = app.get(Tracing);
  if (tracing.isOn) traceRequests(fastify, tracing);
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    const { method, url } = request.raw;
    request.raw.logged = { traceId: request.id, method, url, address: request.ip };
    currentRequest.run(request.raw.logged, done);
  });
  // Ignores an unknown `Expect` header (RFC 9110 §10.1.1). Node.js would refuse the request without a body.
  fastify.server.on('checkExpectation', (request, response) => {
    fastify.server.emit('request', request, response);
  });
  // Refuses CONNECT (RFC 9110 §9.3.6). Without a listener, Node.js would close the connection silently.
  fastify.server.on('connect', (_request, socket) =>
    answerClientError(new Error('CONNECT'), socket as Socket, app),
  );
  // Calls `done`, because a promise for each request would take longer than these checks.
  fastify.addHook('onRequest', (request, reply, done) => {
    const problem = checkHeaders(request) ?? (health.closed && request.method !== 'GET' ? stopping() : null);
    if (problem) sendProblem(problem, request, reply);
    else done();
  });
  refuseWrongMethods(fastify);
  // For plugins that answer errors themselves, such as the queue board.
  fastify.addHook('onError', async (request, _reply, error) => {
    request.problem = filter.problemOf(error);
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    httpMetrics.answered(request, reply);
    requestLog.answered(request, reply);
    done();
  });
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    stamp(request, reply);
    // Otherwise a stopping service would close the connection during the client's next request.
    if (health.draining) reply.header('Connection', 'close');
    done();
  });
  return app;
}

/** Removes the content type of a request without a body, which some clients send. */
function checkHeaders({ raw, headers }: FastifyRequest): ProblemError | null {
  const host = badHost(raw);
  if (host) return new ProblemError('validation_failed', { detail: host });
  const empty = headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
  if (empty) delete headers['content-type'];
  if (empty || isUncoded(headers['content-encoding'])) return null;
  return new ProblemError('unsupported_media_type', { detail: 'Send the body without a content encoding.' });
}

const stopping = () =>
  new ProblemError('not_ready', {
    detail: 'This replica is stopping. If you send the request again, another replica answers it.',
    retryAfterS: 1,
  });

/** Answers a request that Node.js cannot parse, and that therefore has no route, id or reply. */
function answerClientError(
  error: Error & { code?: string },
  socket: Socket,
  app: NestFastifyApplication,
): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const status = tooLarge ? 431 : 400;
  const traceId = randomUUID();
  app.get(HttpMetrics).unreadable(status);
  app.get(RequestLog).problem({
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
    detail: tooLarge ? 'The headers are too large.' : 'This is not an HTTP request.',
    instance: '',
    code: 'validation_failed',
    traceId,
    retryable: false,
  });
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
      'Content-Type: application/problem+json\r\nCache-Control: no-store\r\n' +
      `X-Request-Id: ${traceId}\r\n` +
      Object.entries(SECURITY_HEADERS)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join('') +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** Also for an error before a route is found. */
function stamp(request: FastifyRequest, reply: FastifyReply): void {
  // Browsers may cache only files whose name changes with their content.
  const isKept = reply.statusCode === 200 && String(reply.getHeader('Cache-Control')).endsWith(', immutable');
  if (!isKept) reply.header('Cache-Control', 'no-store');
  reply.header('X-Request-Id', request.id);
  if (request.protocol === 'https') reply.header('Strict-Transport-Security', HSTS);
  const { span } = request.raw;
  reply.header('traceparent', span?.traceparent ?? traceparentOf(request.headers['traceparent']));
}
