import type { FastifyRequest } from 'fastify';

const SAFE = new Set(['GET', 'HEAD']);

/** Whether a request can change anything, and so must come from our own pages. */
export const changesSomething = (request: FastifyRequest) => !SAFE.has(request.method);

/** Scheme and host in lower case, without the scheme's default port (RFC 9110 §4.2.3). */
const originOf = (url: string) =>
  /^https?:\/\/[^/?#@\\]+$/i.test(url) && URL.canParse(url) ? new URL(url).origin : url;

/**
 * Why a request that changes something is not taken for one of our own pages'; null where it is. Browsers say where it
 * comes from by `Origin` (Fetch §3.2) and, over TLS and to this very machine, by `Sec-Fetch-Site`; no page can choose
 * either. Whoever sends neither is no browser of today.
 */
export function foreignOrigin(request: FastifyRequest): string | null {
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (origin === undefined && site === undefined) return 'Neither Origin nor Sec-Fetch-Site was sent.';
  if (site !== undefined && site !== 'same-origin') return 'The request comes from another site.';
  if (origin !== undefined && originOf(origin) !== originOf(`${request.protocol}://${request.host}`)) {
    return 'The request comes from another origin. Behind a proxy that ends TLS, TRUSTED_PROXIES must name it.';
  }
  return null;
}
