import { Injectable } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError, isUuid, type Caller, type Scope } from '#libs/kernel';
import type { Count } from './counter.js';
import { FailedLogins } from './failed-logins.js';
import { BadToken } from './jwt-login.js';
import { stampLimits } from './limit-headers.js';
import { Logins } from './logins.js';
import { RateLimits } from './rate-limits.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every route that requires a scope. */
    caller?: Caller;
    /** The rate limits of this request. The guard waits for them after the body is read. */
    counts?: Promise<Count>[];
  }
  interface FastifyContextConfig {
    requires?: Scope[];
  }
}

/** Without a token, the challenge has no error code (RFC 6750 §3.1). */
const NO_TOKEN = 'Bearer realm="gangway"';
const BAD_TOKEN = `${NO_TOKEN}, error="invalid_token", error_description="The token is not valid"`;

/** Authenticates first, so that unknown clients cannot make the service read a body of 256 KiB. */
@Injectable()
export class CallerGate {
  constructor(
    private readonly logins: Logins,
    private readonly failures: FailedLogins,
    private readonly limits: RateLimits,
  ) {}

  /** @throws ProblemError `unauthenticated`, `not_ready`, or `rate_limited` for a blocked address */
  async admit(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!request.routeOptions.config.requires) return;
    const { authorization } = request.headers;
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    // Check some tokens even from a blocked address: an expired key of one service must not block other
    // services that share its address.
    if (!token || !this.logins.isCheckedWhileBlocked(token)) this.failures.refuseIfBlocked(request.ip);
    try {
      if (!token) throw new BadToken('no bearer token');
      if (isGivenTwice(request, 'authorization')) throw new BadToken('two Authorization headers');
      request.caller = await this.logins.login(token);
    } catch (error) {
      if (!(error instanceof BadToken)) throw error;
      // Only the log line gives the reason, because it would help an attacker.
      if (request.raw.logged) request.raw.logged.reason = error.message;
      // A request without credentials guesses no token.
      if (authorization) await this.failures.note(request.ip, error.message);
      reply.header('WWW-Authenticate', token ? BAD_TOKEN : NO_TOKEN);
      throw new ProblemError('unauthenticated', {
        detail: token
          ? 'The bearer token is not valid.'
          : 'Send "Authorization: Bearer <API key, or access token>".',
      });
    }
    if (request.raw.logged) request.raw.logged.caller = request.caller.name;
    request.counts = [this.limits.addRequest(request.caller.name)];
    const subject = onboardingOf(request);
    if (subject) request.counts.push(this.limits.addCommand(request.caller.name, subject));
  }

  async stamp(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (request.counts) stampLimits(reply, await Promise.all(request.counts));
  }
}

/** Node.js uses the first header, but a proxy may have checked the second. */
const isGivenTwice = ({ raw }: FastifyRequest, header: string) =>
  raw.rawHeaders.filter((text, index) => index % 2 === 0 && text.toLowerCase() === header).length > 1;

function onboardingOf({ method, params }: FastifyRequest): string | null {
  const { id } = (params ?? {}) as { id?: unknown };
  const reads = method === 'GET' || method === 'HEAD';
  // A UUID in upper or lower case means the same onboarding.
  return !reads && typeof id === 'string' && isUuid(id) ? id.toLowerCase() : null;
}

/** Installs the gate before the routes. Without it, the guard refuses every request. */
export function admitCallers(app: NestFastifyApplication): void {
  const gate = app.get(CallerGate);
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request, reply) => gate.admit(request, reply));
  fastify.addHook('onSend', (request, reply) => gate.stamp(request, reply));
}
