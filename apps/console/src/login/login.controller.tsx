import { Controller, Get, Post, Query, Req, Res } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { OperatorLogin, OperatorSessions, type Login, type LoginTry } from '#libs/operators';
import { FormTokens } from '../web/form-token.js';
import { PASSWORD_FIELD, TOKEN_FIELD, parsed } from '../web/forms.js';
import { WITHOUT_LOGIN } from '../web/gate.js';
import { Page, PageWriter } from '../web/page-writer.js';
import { PATHS, pageAfterLogin } from '../web/paths.js';
import { FLOW_COOKIE, FORM_COOKIE, SESSION_COOKIE } from '../web/session-cookie.js';
import { LinkPage, LoginPage } from './login.page.js';

const emergencyForm = z.strictObject({
  name: z.string().max(256),
  password: PASSWORD_FIELD,
  token: TOKEN_FIELD,
  next: z.string().max(2_048).default(PATHS.now),
});
const linkForm = z.strictObject({ link: z.string().max(64), token: TOKEN_FIELD });

/** A query parameter as text. A parameter that was sent twice is an array, and counts as empty. */
const textOf = (value: unknown) => (typeof value === 'string' ? value : '');
const tryOf = (request: FastifyRequest): LoginTry => ({ address: request.ip, traceId: request.id });

interface PageState {
  next?: string;
  problem?: ProblemError;
  wasEmergency?: boolean;
  loggedOut?: string | null;
}

@Controller()
export class LoginController {
  constructor(
    private readonly login: OperatorLogin,
    private readonly sessions: OperatorSessions,
    private readonly tokens: FormTokens,
    private readonly pages: PageWriter,
  ) {}

  @Get(PATHS.login)
  @RouteConfig(WITHOUT_LOGIN)
  async page(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Query() query: Query,
  ): Promise<void> {
    const next = pageAfterLogin(textOf(query.next));
    if (await this.#isLoggedIn(request)) return void reply.redirect(next, 303);
    const loggedOut =
      query.out === 'oidc' ? await this.login.logoutUrl() : query.out === '' ? null : undefined;
    this.#show(request, reply, { next, ...(loggedOut !== undefined && { loggedOut }) });
  }

  @Get(PATHS.oidc)
  @RouteConfig(WITHOUT_LOGIN)
  async begin(
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
    @Query() query: Query,
  ): Promise<void> {
    const next = pageAfterLogin(textOf(query.next));
    // The identity provider may log the operator in without a question. So a link on another site must not
    // start a login.
    if (!/^(?:same-origin|none)$/.test(String(request.headers['sec-fetch-site'] ?? 'none'))) {
      return void reply.redirect(`${PATHS.login}?${new URLSearchParams({ next }).toString()}`, 303);
    }
    await this.#showOnRefusal(request, reply, { next }, async () => {
      const { url, flow } = await this.login.begin(next);
      FLOW_COOKIE.set(request, reply, flow);
      reply.redirect(url, 303);
    });
  }

  @Get(PATHS.callback)
  @RouteConfig(WITHOUT_LOGIN)
  async finish(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const answer = new URLSearchParams(request.url.split('?').slice(1).join('?'));
    const flow = FLOW_COOKIE.read(request);
    FLOW_COOKIE.clear(request, reply);
    await this.#showOnRefusal(request, reply, {}, async () => {
      const { next, ...login } = await this.login.finish(answer, flow, tryOf(request));
      await this.#open(request, reply, login, next);
    });
  }

  @Post(PATHS.emergency)
  @RouteConfig(WITHOUT_LOGIN)
  async emergency(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { name, password, token, next } = parsed(emergencyForm, request);
    await this.#showOnRefusal(
      request,
      reply,
      { next: pageAfterLogin(next), wasEmergency: true },
      async () => {
        this.#checkToken(request, token);
        await this.#open(
          request,
          reply,
          await this.login.emergency({ name, password }, tryOf(request)),
          next,
        );
      },
    );
  }

  @Get(PATHS.link)
  @RouteConfig(WITHOUT_LOGIN)
  link(@Req() request: FastifyRequest, @Res() reply: FastifyReply, @Query() query: Query): void {
    const token = this.tokens.ofLogin(request, reply);
    const main = <LinkPage token={token} link={textOf(query.token)} />;
    void reply.send(this.pages.write(new Page('Log in', main), request, reply));
  }

  @Post(PATHS.link)
  @RouteConfig(WITHOUT_LOGIN)
  async useLink(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { link, token } = parsed(linkForm, request);
    await this.#showOnRefusal(request, reply, {}, async () => {
      this.#checkToken(request, token);
      await this.#open(request, reply, await this.login.link(link, tryOf(request)), PATHS.now);
    });
  }

  /**
   * Every login creates a new token. A token that an attacker set or saw before the login is useless
   * (CWE-384).
   */
  async #open(request: FastifyRequest, reply: FastifyReply, { token }: Login, next: string): Promise<void> {
    const old = SESSION_COOKIE.read(request);
    if (old) await this.sessions.end(old);
    SESSION_COOKIE.set(request, reply, token);
    FORM_COOKIE.clear(request, reply);
    reply.redirect(pageAfterLogin(next), 303);
  }

  /** While PostgreSQL is away, this is false: the login page appears, and a login reports the outage. */
  async #isLoggedIn(request: FastifyRequest): Promise<boolean> {
    const token = SESSION_COOKIE.read(request);
    return token !== null && (await this.sessions.find(token, true).catch(() => null)) !== null;
  }

  async #showOnRefusal(
    request: FastifyRequest,
    reply: FastifyReply,
    state: PageState,
    act: () => Promise<void>,
  ): Promise<void> {
    try {
      await act();
    } catch (problem) {
      if (!(problem instanceof ProblemError)) throw problem;
      request.problem = problem;
      if (problem.retryAfterS !== undefined) reply.header('Retry-After', String(problem.retryAfterS));
      if (problem.status === 401) reply.header('WWW-Authenticate', 'Cookie realm="Gangway console"');
      reply.status(problem.status);
      this.#show(request, reply, { ...state, problem });
    }
  }

  #show(request: FastifyRequest, reply: FastifyReply, state: PageState): void {
    const { next = PATHS.now, problem, wasEmergency = false, loggedOut } = state;
    const token = this.tokens.ofLogin(request, reply);
    const props = { ways: this.login.ways, token, next, wasEmergency, loggedOut };
    const main = <LoginPage {...props} error={problem?.message ?? null} />;
    void reply.send(this.pages.write(new Page('Log in', main), request, reply));
  }

  #checkToken(request: FastifyRequest, token: string): void {
    if (this.tokens.isOfLogin(request, token)) return;
    throw new ProblemError('forbidden', { detail: 'This form has expired. Please try again.' });
  }
}

interface Query {
  next?: unknown;
  out?: unknown;
  token?: unknown;
}
