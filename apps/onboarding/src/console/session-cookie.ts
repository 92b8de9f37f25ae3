import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Over TLS, by the connection itself or by the word of a trusted proxy (`TRUSTED_PROXIES`). */
const isOverTls = (request: FastifyRequest) => request.protocol === 'https';

/**
 * Cookies of the console. Over TLS their names begin with `__Host-`: no other host, subdomain or plain connection can
 * set one (RFC 6265bis §4.1.3.2). Script never sees them, and no other site's request carries them.
 */
class ConsoleCookie {
  constructor(private readonly name: string) {}

  of(request: FastifyRequest): string | null {
    return request.cookies[this.#nameFor(request)] ?? null;
  }

  set(request: FastifyRequest, reply: FastifyReply, value: string): void {
    reply.setCookie(this.#nameFor(request), value, this.#optionsFor(request));
  }

  clear(request: FastifyRequest, reply: FastifyReply): void {
    reply.clearCookie(this.#nameFor(request), this.#optionsFor(request));
  }

  #nameFor(request: FastifyRequest): string {
    return isOverTls(request) ? `__Host-${this.name}` : this.name;
  }

  #optionsFor(request: FastifyRequest): CookieSerializeOptions {
    return { path: '/', httpOnly: true, sameSite: 'strict', secure: isOverTls(request) };
  }
}

export const SESSION_COOKIE = new ConsoleCookie('gangway_ops');

/** What the token of a login form belongs to, before there is a session. */
export const FORM_COOKIE = new ConsoleCookie('gangway_ops_form');
