import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Queues } from '#libs/jobs';
import { ProblemError } from '#libs/kernel';
import { OperatorAudit, mayActAs } from '#libs/operators';
import { SCRIPT_FILES, withPolicy } from '#libs/platform';
import { roleMissing } from '../web/gate.js';
import { PATHS, pathOfOnboarding, pathOfOperation } from '../web/paths.js';
import { Refusals } from '../web/refusals.js';
import { changesSomething } from '../web/same-origin.js';
import { roleFor } from './board-roles.js';

function pageOf({ data }: { data?: unknown }): { href: string; displayText: string } {
  const { onboardingId, operationId } = (data ?? {}) as Record<string, unknown>;
  if (typeof onboardingId === 'string')
    return { href: pathOfOnboarding(onboardingId), displayText: 'Onboarding' };
  if (typeof operationId === 'string')
    return { href: pathOfOperation(operationId), displayText: 'Operation' };
  return { href: PATHS.now, displayText: 'Console' };
}

/** Links to fonts on other hosts, which the content security policy would block. */
const FROM_ELSEWHERE = /<link [^>]*href="https?:[^>]*>\s*/g;

/** The gate (web/gate.ts) checks the login. A hook in this file checks the role. */
export async function serveQueueBoard(app: NestFastifyApplication): Promise<void> {
  const parts = { queues: app.get(Queues), audit: app.get(OperatorAudit), refusals: app.get(Refusals) };
  await app.register((scope: FastifyInstance) => serveBoard(scope, parts));
}

interface BoardParts {
  queues: Queues;
  audit: OperatorAudit;
  refusals: Refusals;
}

async function serveBoard(scope: FastifyInstance, { queues, audit, refusals }: BoardParts): Promise<void> {
  const adapter = new FastifyAdapter().setBasePath(PATHS.queues);
  createBullBoard({
    queues: queues.all().map((queue) => new BullMQAdapter(queue, { externalJobUrl: pageOf })),
    serverAdapter: adapter,
    options: {
      uiConfig: {
        boardTitle: 'Gangway queues',
        miscLinks: [{ text: 'Back to the console', url: PATHS.now }],
      },
    },
  });
  // Bull Board's own error handler would show internal error messages to the operator.
  adapter.setErrorHandler((error) => {
    // Without Redis, Bull Board fails with an internal error, so the answer names the outage.
    const { status, message } = queues.isReady() ? refusals.problemOf(error) : redisAway();
    return { status: status as 500, body: { error: message } };
  });

  scope.addHook('onRequest', async (request, reply) => {
    const problem = whyNot(request);
    return problem ? refusals.answer(problem, request, reply) : undefined;
  });

  function whyNot(request: FastifyRequest): ProblemError | null {
    const needed = roleFor(request.method, routeOf(request));
    if (!request.operator || !mayActAs(request.operator.role, needed)) {
      return new ProblemError('forbidden', { detail: roleMissing(needed) });
    }
    const { accepts, isConnected } = queues.link;
    return accepts || (isConnected && !changesSomething(request)) ? null : redisAway();
  }

  function redisAway(): ProblemError {
    const redis = `Redis ${queues.link.trouble?.words ?? 'is away'}`;
    const why = `${redis}. The service still accepts requests; retries wait until Redis is back.`;
    return new ProblemError('not_ready', { detail: why, retryAfterS: 2 });
  }

  scope.addHook('onSend', async (request, reply, payload) => {
    const type = String(reply.getHeader('content-type'));
    // Bull Board's scripts start a web worker, which needs its own content security policy.
    if (/^(?:text|application)\/javascript\b/.test(type)) {
      reply.header('Content-Security-Policy', SCRIPT_FILES);
    }
    if (typeof payload !== 'string') return payload;
    if (routeOf(request) === '/api/queues' && request.operator?.role === 'viewer') return readOnly(payload);
    if (!type.startsWith('text/html')) return payload;
    return withPolicy(reply, payload.replaceAll(FROM_ELSEWHERE, ''), 'any');
  });

  scope.addHook('onResponse', async (request, reply) => {
    if (!changesSomething(request) || !request.operator) return;
    const { statusCode } = reply;
    audit.record({
      action: `${request.method} ${routeOf(request)}`,
      operator: request.operator.name,
      target: Object.values(request.params as Record<string, string>).join('/') || null,
      outcome: statusCode < 400 ? 'done' : statusCode === 403 ? 'refused' : 'failed',
      address: request.ip,
      traceId: request.id,
    });
  });

  await scope.register(adapter.registerPlugin(), { prefix: PATHS.queues });
}

/** Hides the buttons that a viewer may not use. */
function readOnly(payload: string): string {
  const answer = JSON.parse(payload) as { queues?: object[] };
  if (!answer.queues) return payload;
  const queues = answer.queues.map((queue) => ({ ...queue, readOnlyMode: true, allowRetries: false }));
  return JSON.stringify({ ...answer, queues });
}

const routeOf = (request: FastifyRequest) => (request.routeOptions.url ?? '').slice(PATHS.queues.length);
