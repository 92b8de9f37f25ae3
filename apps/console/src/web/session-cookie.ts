import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** The browser's TLS may end at a trusted proxy (`TRUSTED_PROXIES`). */
const isOverTls = (request: FastifyRequest) => request.protocol === 'https';

/**
 * Over TLS, the names begin with `__Host-`, so that no other host, subdomain or unencrypted connection can
 * set the cookies (RFC 6265bis §4.1.3.2).
 */
class ConsoleCookie {
  /** @param maxAgeS seconds. Without it, the browser deletes the cookie when it closes. */
  constructor(
    private readonly name: string,
    private readonly maxAgeS?: number,
  ) {}

  read(request: FastifyRequest): string | null {
    return request.cookies[this.#nameFor(request)] ?? null;
  }

  set(request: FastifyRequest, reply: FastifyReply, value: string): void {
    const options = {
      ...this.#optionsFor(request),
      ...(this.maxAgeS !== undefined && { maxAge: this.maxAgeS }),
    };
    reply.setCookie(this.#nameFor(request), value, options);
  }

  clear(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(this.#nameFor(request), this.#optionsFor(request));
  }

  #nameFor(request: FastifyRequest): string {
    return isOverTls(request) ? `__Host-${this.name}` : this.name;
  }

  #optionsFor(request: FastifyRequest): CookieSerializeOptions {
    return { path: '/', httpOnly: true, sameSite: 'lax', secure: isOverTls(request) };
  }
}

export const SESSION_COOKIE = new ConsoleCookie('gangway_ops');

/** Binds the token of a login form to the browser, before a session exists. */
export const FORM_COOKIE = new ConsoleCookie('gangway_ops_form');

/** Binds a login at the identity provider to the browser. */
export const FLOW_COOKIE = new ConsoleCookie('gangway_ops_flow', 600);
