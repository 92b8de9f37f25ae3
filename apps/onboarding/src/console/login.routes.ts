import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { OperatorAudit, OperatorLogin, OperatorSessions } from '#libs/operators';
import type { ConsoleAnswers } from './answers.js';
import type { FormTokens } from './form-token.js';
import { PASSWORD_FIELD, TOKEN_FIELD, checkToken, parsed } from './forms.js';
import { logoutPage } from './pages.js';
import { PATHS, goingOnTo, within } from './paths.js';
import { FORM_COOKIE, SESSION_COOKIE } from './session-cookie.js';

const loginForm = z.strictObject({
  name: z.string().max(256),
  password: PASSWORD_FIELD,
  token: TOKEN_FIELD,
  next: z.string().max(256).default(PATHS.home),
});
const logoutForm = z.strictObject({ token: TOKEN_FIELD });

export interface LoginParts {
  login: OperatorLogin;
  sessions: OperatorSessions;
  audit: OperatorAudit;
  answers: ConsoleAnswers;
  tokens: FormTokens;
  /** Turns an error into the problem to show. */
  problemOf(error: unknown): ProblemError;
}

/** Login and logout, in a scope that accepts forms. */
export function serveLogin(scope: FastifyInstance, parts: LoginParts): void {
  const { login, sessions, audit, answers, tokens, problemOf } = parts;
  const withoutLogin = { config: { withoutLogin: true } };
  scope.get(within(PATHS.login), withoutLogin, async (request, reply) => {
    if (request.operator) return reply.redirect(PATHS.home, 303);
    return answers.login(request, reply);
  });

  scope.post(within(PATHS.login), withoutLogin, async (request, reply) => {
    const { name, password, token, next } = parsed(loginForm, request);
    const again = (problem: ProblemError) => {
      answers.stamp(request, reply, problem);
      return answers.login(request, reply, { error: problem.message, next });
    };
    if (!tokens.isOfLogin(request, token)) {
      return again(new ProblemError('forbidden', { detail: 'This form has expired. Please try again.' }));
    }
    try {
      const { operator, token: session } = await login.logIn({
        name,
        password,
        address: request.ip,
        traceId: request.id,
      });
      return await openTo(request, reply, session, operator.mustChange ? PATHS.account : next);
    } catch (error) {
      return again(problemOf(error));
    }
  });

  /**
   * Every login creates a new token. A token that an attacker set or saw before the login is useless
   * (CWE-384).
   */
  async function openTo(request: FastifyRequest, reply: FastifyReply, session: string, next: string) {
    const old = SESSION_COOKIE.of(request);
    if (old) await sessions.end(old);
    SESSION_COOKIE.set(request, reply, session);
    FORM_COOKIE.clear(request, reply);
    return reply.redirect(goingOnTo(next), 303);
  }

  const withFirstPassword = { config: { withFirstPassword: true } };
  scope.get(within(PATHS.logout), withFirstPassword, async (request, reply) => {
    const page = logoutPage({ operator: request.operator!, formToken: tokens.ofSession(request) });
    return answers.page(reply, page);
  });

  scope.post(within(PATHS.logout), withFirstPassword, async (request, reply) => {
    const { token } = parsed(logoutForm, request);
    checkToken(tokens, request, token);
    await sessions.end(SESSION_COOKIE.of(request) ?? '');
    SESSION_COOKIE.clear(request, reply);
    reply.header('Clear-Site-Data', '"cache", "cookies", "storage"');
    const { ip: address, id: traceId, operator } = request;
    const entry = { action: 'logout', operator: operator?.name ?? null, target: null, address, traceId };
    audit.record({ ...entry, outcome: 'done' });
    return reply.redirect(PATHS.login, 303);
  });
}
