import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';
import { OperatorSessions, type Operator } from '#libs/operators';
import type { ConsoleAnswers } from './answers.js';
import { PATHS } from './paths.js';
import { changesSomething, foreignOrigin } from './same-origin.js';
import { SESSION_COOKIE } from './session-cookie.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a login. What does not say so is not. */
    withoutLogin?: boolean;
    /** Open to whoever has yet to choose a password of their own. What does not say so is not. */
    withFirstPassword?: boolean;
  }
  interface FastifyRequest {
    /** Who is logged in to the console; null outside of it. */
    operator: Operator | null;
  }
}

/**
 * Guards a Fastify scope: by its routes rather than by paths, which can be spelt in many ways, and all that
 * is not found in it as well.
 *
 * @param problemOf what is said about an error; the scopes of libraries would say it in their own words.
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
        detail: `Choose a password of your own first, at ${PATHS.account}.`,
      });
    }
    if (foreign) throw new ProblemError('forbidden', { detail: foreign });
  }

  scope.setNotFoundHandler((request, reply) =>
    answers.refuse(request, reply, new ProblemError('not_found', { detail: 'There is nothing here.' })),
  );
  scope.setErrorHandler((error, request: FastifyRequest, reply: FastifyReply) =>
    answers.refuse(request, reply, problemOf(error)),
  );
}

/** The board asks for its data every few seconds, whether anybody looks at it or not. */
const isUse = (request: FastifyRequest) =>
  changesSomething(request) || !request.routeOptions.url?.startsWith(`${PATHS.queues}/api/`);
