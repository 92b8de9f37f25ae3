import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { OperatorSessions, OwnAccount, type OwnAct } from '#libs/operators';
import { accountPage, type AccountPage } from './account.page.js';
import type { ConsoleAnswers } from './answers.js';
import type { FormTokens } from './form-token.js';
import { PASSWORD_FIELD, TOKEN_FIELD, checkToken, parsed } from './forms.js';
import { PATHS, within } from './paths.js';
import { SESSION_COOKIE } from './session-cookie.js';

/**
 * The maximum size of a form: three passwords of 128 characters fit. A character has up to four bytes, and a
 * form writes each byte as `%xx`.
 */
const PASSWORDS_LIMIT_BYTES = 6_144;

const passwordForm = z.strictObject({
  current: PASSWORD_FIELD,
  wanted: PASSWORD_FIELD,
  again: PASSWORD_FIELD,
  token: TOKEN_FIELD,
});
const sessionsForm = z.strictObject({
  password: PASSWORD_FIELD,
  session: z.union([z.literal('others'), z.string().regex(/^[0-9a-f]{64}$/)]),
  token: TOKEN_FIELD,
});

/**
 * The text about a finished action, by the word in the query. The page never shows a text from the URL
 * itself.
 */
const DONE: ReadonlyMap<unknown, string> = new Map([
  ['password', 'Your password is changed. Your other sessions have ended.'],
  ['sessions', 'The sessions that you chose have ended.'],
]);

export interface AccountParts {
  account: OwnAccount;
  sessions: OperatorSessions;
  answers: ConsoleAnswers;
  tokens: FormTokens;
  /** Turns an error into the problem to show. */
  problemOf(error: unknown): ProblemError;
}

/** The page of the operator's own account, in a scope that accepts forms. */
export function serveAccount(scope: FastifyInstance, parts: AccountParts): void {
  const { account, sessions, answers, tokens, problemOf } = parts;
  const open = { withFirstPassword: true };

  scope.get(within(PATHS.account), { config: open }, async (request, reply) => {
    const { done } = request.query as { done?: unknown };
    return show(request, reply, { done: DONE.get(done) ?? null });
  });

  const changing = { config: open, bodyLimit: PASSWORDS_LIMIT_BYTES };
  scope.post(within(PATHS.password), changing, async (request, reply) => {
    const { current, wanted, again, token } = parsed(passwordForm, request);
    checkToken(tokens, request, token);
    return orAgain(request, reply, 'password', async () => {
      if (wanted !== again) {
        throw new ProblemError('validation_failed', { detail: 'The two new passwords differ.' });
      }
      const renewed = await account.changePassword(actOf(request), { current, wanted });
      SESSION_COOKIE.set(request, reply, renewed);
    });
  });

  scope.post(within(PATHS.sessions), { config: open }, async (request, reply) => {
    const { password, session, token } = parsed(sessionsForm, request);
    checkToken(tokens, request, token);
    return orAgain(request, reply, 'sessions', () =>
      account.endSessions(actOf(request), password, session === 'others' ? null : session),
    );
  });

  async function orAgain(
    request: FastifyRequest,
    reply: FastifyReply,
    form: 'password' | 'sessions',
    act: () => Promise<void>,
  ): Promise<FastifyReply> {
    try {
      await act();
    } catch (error) {
      const problem = problemOf(error);
      // The session has ended, so the operator cannot try again on this page.
      if (problem.status === 401) throw problem;
      answers.stamp(request, reply, problem);
      return show(request, reply, { wrong: { form, error: problem.message } });
    }
    // Redirect, because a reload of the page must not send the form again.
    return reply.redirect(`${PATHS.account}?done=${form}`, 303);
  }

  async function show(
    request: FastifyRequest,
    reply: FastifyReply,
    said: Pick<AccountPage, 'done' | 'wrong'>,
  ): Promise<FastifyReply> {
    const { operator, token } = actOf(request);
    const list = await sessions.list(operator, token);
    const formToken = tokens.ofSession(request);
    return answers.page(reply, accountPage({ operator, formToken, sessions: list, ...said }));
  }
}

function actOf(request: FastifyRequest): OwnAct {
  const token = SESSION_COOKIE.of(request) ?? '';
  return { operator: request.operator!, token, address: request.ip, traceId: request.id };
}
