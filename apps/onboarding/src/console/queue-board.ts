import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Queues } from '#libs/jobs';
import { ProblemError } from '#libs/kernel';
import { mayActAs, type OperatorAudit } from '#libs/operators';
import { SCRIPT_FILES, withPolicy } from '../page-policy.js';
import type { ConsoleAnswers } from './answers.js';
import { roleFor } from './board-roles.js';
import { PATHS, within } from './paths.js';
import { changesSomething } from './same-origin.js';

export interface BoardParts {
  queues: Queues;
  audit: OperatorAudit;
  answers: ConsoleAnswers;
  /** Turns an error into the problem to show. */
  problemOf(error: unknown): ProblemError;
}

/** Links to fonts on other hosts. They are removed: the content security policy would block them. */
const FROM_ELSEWHERE = /<link [^>]*href="https?:[^>]*>\s*/g;

/**
 * Serves Bull Board, the queue board. The gate of the console has checked the login. The hook in this file
 * checks the role.
 */
export async function serveQueueBoard(scope: FastifyInstance, parts: BoardParts): Promise<void> {
  const { queues, audit, answers, problemOf } = parts;
  const adapter = new FastifyAdapter().setBasePath(PATHS.queues);
  createBullBoard({
    queues: queues.all().map((queue) => new BullMQAdapter(queue)),
    serverAdapter: adapter,
    options: {
      uiConfig: {
        boardTitle: 'Gangway',
        // Bull Board accepts only links here. A link must not log an operator out, so it leads to a page with
        // a logout form.
        miscLinks: [
          { text: 'Your account', url: PATHS.account },
          { text: 'Log out', url: PATHS.logout },
        ],
      },
    },
  });
  // Bull Board's own error handler would show the error's message.
  adapter.setErrorHandler((error) => {
    const { status, message } = problemOf(error);
    return { status: status as 500, body: { error: message } };
  });

  scope.addHook('onRequest', async (request, reply) => {
    const problem = whyNot(request);
    if (!problem) return;
    return answers.refuse(request, reply, problem);
  });

  function whyNot(request: FastifyRequest): ProblemError | null {
    const needed = roleFor(request.method, routeOf(request));
    if (!request.operator || !mayActAs(request.operator.role, needed)) {
      return new ProblemError('forbidden', { detail: `This needs the role ${needed}.` });
    }
    const { accepts, isConnected, trouble } = queues.link;
    if (accepts || (isConnected && !changesSomething(request))) return null;
    const redis = `Redis ${trouble?.words ?? 'is away'}`;
    const why = `${redis}. The service still accepts requests; retries wait until Redis is back.`;
    return new ProblemError('not_ready', { detail: why, retryAfterS: 2 });
  }

  scope.addHook('onSend', async (_request, reply, payload) => {
    const type = String(reply.getHeader('content-type'));
    // Bull Board's scripts start a web worker that highlights errors and data.
    if (/^(?:text|application)\/javascript\b/.test(type)) {
      reply.header('Content-Security-Policy', SCRIPT_FILES);
    }
    if (typeof payload !== 'string' || !type.startsWith('text/html')) return payload;
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

  await scope.register(adapter.registerPlugin(), { prefix: within(PATHS.queues) });
}

const routeOf = (request: FastifyRequest) => (request.routeOptions.url ?? '').slice(PATHS.queues.length);
