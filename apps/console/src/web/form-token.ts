import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { equalInConstantTime } from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { FORM_COOKIE, SESSION_COOKIE } from './session-cookie.js';

/**
 * Tokens that protect the console's forms against other sites (OWASP: signed double submit). A token is a
 * keyed hash of the session's token or, before a session exists, of the login form's cookie. Other sites can
 * neither read nor set these values.
 */
@Injectable()
export class FormTokens {
  constructor(private readonly hash: KeyedHash) {}

  ofSession(request: FastifyRequest): string {
    return this.#tokenFor(SESSION_COOKIE.read(request) ?? '');
  }

  /** Also sets the form's cookie if the browser has none yet. */
  ofLogin(request: FastifyRequest, reply: FastifyReply): string {
    const known = FORM_COOKIE.read(request);
    if (known) return this.#tokenFor(known);
    const made = randomBytes(16).toString('base64url');
    FORM_COOKIE.set(request, reply, made);
    return this.#tokenFor(made);
  }

  isOfSession(request: FastifyRequest, token: string): boolean {
    const session = SESSION_COOKIE.read(request);
    return session !== null && equalInConstantTime(token, this.#tokenFor(session));
  }

  isOfLogin(request: FastifyRequest, token: string): boolean {
    const cookie = FORM_COOKIE.read(request);
    return cookie !== null && equalInConstantTime(token, this.#tokenFor(cookie));
  }

  #tokenFor(secret: string): string {
    return this.hash.digest('console form', secret).toString('base64url');
  }
}
