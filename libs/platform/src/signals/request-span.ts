import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { onboardingOf } from '../request-log.js';
import { shownPath } from '../shown.js';
import { inSpan, type Span, type Tracing } from './tracing.js';

declare module 'node:http' {
  interface IncomingMessage {
    span?: Span;
  }
}

/** Load balancers and Prometheus request these paths all the time. */
const NOT_TRACED = /^\/(health|metrics)\b/;

type Fastify = ReturnType<ReturnType<NestFastifyApplication['getHttpAdapter']>['getInstance']>;

export function traceRequests(fastify: Fastify, tracing: Tracing): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const route = request.routeOptions.url;
    if (NOT_TRACED.test(route ?? '')) return done();
    const name = route === undefined ? request.method : `${request.method} ${route}`;
    const span = tracing.request(name, request.headers['traceparent']);
    if (!span) return done();
    request.raw.span = span;
    // Fastify's own hook does not run if the client has disconnected.
    reply.raw.once('close', () => endWith(span, request, reply));
    inSpan(span, done);
  });
  // Node.js may call this hook outside of the request's span, but the request's log line needs the span.
  fastify.addHook('onResponse', ({ raw: { span } }, _reply, done) => (span ? inSpan(span, done) : done()));
}

function endWith(span: Span, request: FastifyRequest, reply: FastifyReply): void {
  const route = request.routeOptions.url;
  const onboardingId = onboardingOf(request, route);
  const { headersSent, statusCode: status } = reply.raw;
  span.set({
    'http.request.method': request.method,
    ...(route !== undefined && { 'http.route': route }),
    'url.scheme': request.protocol,
    'url.path': shownPath(request.url),
    ...(headersSent && { 'http.response.status_code': status }),
    ...(onboardingId !== undefined && { 'gangway.onboarding.id': onboardingId }),
  });
  if (!headersSent) span.fail('client_left', false);
  else if (status >= 400) span.fail(request.problem?.code ?? String(status), status >= 500);
  span.end();
}
