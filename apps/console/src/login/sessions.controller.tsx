import { Controller, Get, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { OperatorAudit, OperatorSessions } from '#libs/operators';
import { FormTokens } from '../web/form-token.js';
import { TOKEN_FIELD, checkToken, parsed } from '../web/forms.js';
import { Page } from '../web/page-writer.js';
import { ActionForm } from '../web/parts.js';
import { PATHS } from '../web/paths.js';
import { SESSION_COOKIE } from '../web/session-cookie.js';
import { SessionsPage } from './sessions.page.js';

const logoutForm = z.strictObject({ token: TOKEN_FIELD });
const sessionsForm = z.strictObject({
  session: z.union([z.literal('others'), z.string().regex(/^[0-9a-f]{64}$/)]),
  token: TOKEN_FIELD,
});

@Controller()
export class SessionsController {
  constructor(
    private readonly sessions: OperatorSessions,
    private readonly tokens: FormTokens,
    private readonly audit: OperatorAudit,
  ) {}

  /** Asks for confirmation first: merely opening a link must not log the operator out. */
  @Get(PATHS.logout)
  logoutPage(@Req() request: FastifyRequest): Page {
    const main = (
      <ActionForm action={PATHS.logout} token={this.tokens.ofSession(request)}>
        <h1>Log out</h1>
        <p>You are logged in as {request.operator!.name}.</p>
        <button type="submit">Log out</button>
      </ActionForm>
    );
    return new Page('Log out', main);
  }

  @Post(PATHS.logout)
  async logout(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { token } = parsed(logoutForm, request);
    checkToken(this.tokens, request, token);
    await this.sessions.end(SESSION_COOKIE.read(request) ?? '');
    SESSION_COOKIE.clear(request, reply);
    reply.header('Clear-Site-Data', '"cache", "storage"');
    this.#record(request, 'logout', null);
    // The content security policy forbids to redirect a form to another site. So the next page links to the
    // provider.
    reply.redirect(`${PATHS.login}?out=${request.operator!.how === 'oidc' ? 'oidc' : ''}`, 303);
  }

  @Get(PATHS.sessions)
  async page(@Req() request: FastifyRequest): Promise<Page> {
    const operator = request.operator!;
    const sessions = await this.sessions.list(SESSION_COOKIE.read(request)!, operator.role === 'admin');
    const token = this.tokens.ofSession(request);
    return new Page('Sessions', <SessionsPage operator={operator} token={token} sessions={sessions} />);
  }

  @Post(PATHS.sessions)
  async end(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { session, token } = parsed(sessionsForm, request);
    checkToken(this.tokens, request, token);
    const own = SESSION_COOKIE.read(request)!;
    const ended =
      session === 'others'
        ? await this.sessions.endOthers(own, null)
        : await this.sessions.endOthers(own, session, request.operator!.role === 'admin');
    this.#record(request, 'end sessions', [...new Set(ended)].join(', ') || null);
    reply.redirect(PATHS.sessions, 303);
  }

  #record(request: FastifyRequest, action: string, target: string | null): void {
    const { ip: address, id: traceId, operator } = request;
    const entry = { action, operator: operator!.name, target, address, traceId };
    this.audit.record({ ...entry, outcome: 'done' });
  }
}
