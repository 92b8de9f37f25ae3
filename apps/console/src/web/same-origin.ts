import type { FastifyRequest } from 'fastify';

const SAFE = new Set(['GET', 'HEAD']);

/** Requests that can change something must come from our own pages. */
export const changesSomething = (request: FastifyRequest) => !SAFE.has(request.method);

/** Scheme and host in lower case, no default port (RFC 9110 §4.2.3). */
const originOf = (url: string) =>
  /^https?:\/\/[^/?#@\\]+$/i.test(url) && URL.canParse(url) ? new URL(url).origin : url;

/**
 * Checks `Origin` (Fetch §3.2) and `Sec-Fetch-Site`. No page can set these headers, and current browsers send
 * at least one of them.
 *
 * @returns why the request is refused; null if it comes from our own pages
 */
export function foreignOrigin(request: FastifyRequest): string | null {
  const { origin, 'sec-fetch-site': site } = request.headers;
  if (origin === undefined && site === undefined) return 'Neither Origin nor Sec-Fetch-Site was sent.';
  if (site !== undefined && site !== 'same-origin') return 'The request comes from another site.';
  if (origin !== undefined && originOf(origin) !== originOf(`${request.protocol}://${request.host}`)) {
    return (
      'The request comes from another origin. ' +
      'If a proxy in front of the service ends TLS, TRUSTED_PROXIES must name the proxy.'
    );
  }
  return null;
}
