import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { equalInConstantTime } from '#libs/kernel';
import type { KeyedHash } from '#libs/platform';
import { FORM_COOKIE, SESSION_COOKIE } from './session-cookie.js';

/**
 * Tokens of the console's forms: a keyed hash of the session's token, or before there is a session of a cookie that
 * the form came with. Neither can be read or set from another site (OWASP: signed double submit).
 */
export class FormTokens {
  constructor(private readonly hash: KeyedHash) {}

  /** For a form of whoever is logged in. */
  ofSession(request: FastifyRequest): string {
    return this.#of(SESSION_COOKIE.of(request) ?? '');
  }

  /** For a login form; gives the browser its cookie where it has none yet. */
  ofLogin(request: FastifyRequest, reply: FastifyReply): string {
    const known = FORM_COOKIE.of(request);
    if (known) return this.#of(known);
    const made = randomBytes(16).toString('base64url');
    FORM_COOKIE.set(request, reply, made);
    return this.#of(made);
  }

  isOfSession(request: FastifyRequest, token: string): boolean {
    const session = SESSION_COOKIE.of(request);
    return session !== null && equalInConstantTime(token, this.#of(session));
  }

  isOfLogin(request: FastifyRequest, token: string): boolean {
    const cookie = FORM_COOKIE.of(request);
    return cookie !== null && equalInConstantTime(token, this.#of(cookie));
  }

  #of(secret: string): string {
    return this.hash.of('console form', secret).toString('base64url');
  }
}
