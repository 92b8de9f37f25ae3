import type { FastifyRequest } from 'fastify';
import { isAuthProxy, isEmulated, isPublicApi } from './turnkey/turnkey-paths.js';

/** The API to which a request came, with its own rules and error format. */
export type Door = 'byzantine' | 'public-api' | 'auth-proxy' | 'sandbox';

const CONFIG_ID = 'x-auth-proxy-config-id';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** The path as the router reads it: percent-decoded, without the query. */
export function pathOf(url: string): string {
  const path = url.split('?', 1)[0] ?? url;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/**
 * Byzantine and the Auth Proxy share `/v1`. An unknown path belongs to the Auth Proxy if the request has
 * `X-Auth-Proxy-Config-Id`, or is a preflight that asks for this header.
 */
export function doorOf(request: FastifyRequest): Door {
  const { headers } = request;
  const path = pathOf(request.url);
  if (path === '/_sandbox' || path.startsWith('/_sandbox/')) return 'sandbox';
  if (isPublicApi(path)) return 'public-api';
  if (isAuthProxy(path)) return 'auth-proxy';
  const asked = headers['access-control-request-headers'] ?? '';
  const meantForProxy = headers[CONFIG_ID] !== undefined || asked.toLowerCase().includes(CONFIG_ID);
  return meantForProxy && methodsOf(request).length === 0 ? 'auth-proxy' : 'byzantine';
}

/** @returns no methods for an unknown path */
export function methodsOf({ url, server }: FastifyRequest): string[] {
  const path = pathOf(url);
  // The router would read ':' and '*' as patterns. No path of the sandbox contains them.
  if (!/^[\w/.-]+$/.test(path)) return [];
  const pattern = isPublicApi(path) && isEmulated(path) ? path.replace(/[^/]+$/, ':path') : path;
  return METHODS.filter((method) => server.hasRoute({ method, url: pattern }));
}
