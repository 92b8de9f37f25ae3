import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from '../refusal.js';

/** With these headers, no other page can read, frame or run an answer under `/_sandbox`. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
};

const ELSEWHERE = 'the request comes from another website';

/** Names that no public DNS server answers for (RFC 6761, RFC 6762 and ICANN's `.internal`). */
const PRIVATE_NAME = /^(?:[^.]+|.+\.(?:localhost|local|internal|test))$/i;

/**
 * Keeps other websites away from `/_sandbox`, which has no login: any website in a developer's browser can
 * send requests to this machine. A hook on the path would miss other forms of the path (`/%5Fsandbox`).
 */
@Injectable()
export class BrowserGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const http = context.switchToHttp();
    http.getResponse<FastifyReply>().headers(HEADERS);
    const refusal = foreign(http.getRequest<FastifyRequest>());
    if (refusal !== null) throw new Refusal(403, refusal);
    return true;
  }
}

/** @returns why to refuse the request, or null. Curl and tests send neither `Origin` nor `Sec-Fetch-Site`. */
function foreign({ method, headers, hostname, host }: FastifyRequest): string | null {
  // DNS rebinding: if an attacker's host name resolves to this machine, the attacker's page is same-origin.
  if (!isOwnName(hostname)) return 'the Host is a public name: use an IP address or localhost';
  // Without CORS headers, the browser hides the answer from other origins.
  if (method === 'GET' || method === 'HEAD') return null;
  const { origin, 'sec-fetch-site': site } = headers;
  if (site !== undefined && site !== 'same-origin') return ELSEWHERE;
  if (origin !== undefined && hostOf(origin) !== host) return ELSEWHERE;
  return null;
}

/** Null for the origin `null`. The scheme is not compared, because a proxy may change it. */
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}

function isOwnName(hostname: string): boolean {
  return isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0 || PRIVATE_NAME.test(hostname);
}
