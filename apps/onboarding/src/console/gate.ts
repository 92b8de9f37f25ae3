import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';
import { OperatorSessions, type Operator } from '#libs/operators';
import type { ConsoleAnswers } from './answers.js';
import { PATHS } from './paths.js';
import { changesSomething, foreignOrigin } from './same-origin.js';
import { SESSION_COOKIE } from './session-cookie.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the route is open without a login; false by default. */
    withoutLogin?: boolean;
    /** Whether the route is open to an operator who still has the first password; false by default. */
    withFirstPassword?: boolean;
  }
  interface FastifyRequest {
    /** The operator who is logged in to the console; null without a login. */
    operator: Operator | null;
  }
}

/**
 * Guards all routes of a Fastify scope, and its unknown paths. It checks the matched route, not the path,
 * because one path can be written in several ways.
 *
 * @param problemOf turns an error into the problem to show, in place of the error handlers of libraries
 */
export function guard(
  scope: FastifyInstance,
  sessions: OperatorSessions,
  answers: ConsoleAnswers,
  problemOf: (error: unknown) => ProblemError,
): void {
  scope.decorateRequest('operator', null);
  scope.addHook('onRequest', async (request, reply) => {
    try {
      await admit(request);
    } catch (error) {
      return answers.refuse(request, reply, problemOf(error));
    }
    return undefined;
  });

  async function admit(request: FastifyRequest): Promise<void> {
    const foreign = changesSomething(request) ? foreignOrigin(request) : null;
    const token = SESSION_COOKIE.of(request);
    request.operator = token ? await sessions.find(token, !foreign && isUse(request)) : null;
    if (request.operator && request.raw.logged) request.raw.logged.operator = request.operator.name;
    if (!request.operator && !request.routeOptions.config.withoutLogin) {
      throw new ProblemError('unauthenticated', { detail: `Log in at ${PATHS.login}.` });
    }
    const { withoutLogin, withFirstPassword } = request.routeOptions.config;
    if (request.operator?.mustChange && !withoutLogin && !withFirstPassword) {
      throw new ProblemError('forbidden', {
        detail: `First choose your own password at ${PATHS.account}.`,
      });
    }
    if (foreign) throw new ProblemError('forbidden', { detail: foreign });
  }

  scope.setNotFoundHandler((request, reply) =>
    answers.refuse(request, reply, new ProblemError('not_found', { detail: 'This page does not exist.' })),
  );
  scope.setErrorHandler((error, request: FastifyRequest, reply: FastifyReply) =>
    answers.refuse(request, reply, problemOf(error)),
  );
}

/**
 * Reading the queue board's data does not prolong the session: the board polls even if no person looks at it.
 */
const isUse = (request: FastifyRequest) =>
  changesSomething(request) || !request.routeOptions.url?.startsWith(`${PATHS.queues}/api/`);
