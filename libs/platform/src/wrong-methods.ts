import type { FastifyInstance } from 'fastify';
import { ProblemError } from '#libs/kernel';

/**
 * Answers 405 with `Allow` if the path exists, but not for this method (RFC 9110 §15.5.6). Call it before the
 * routes are added. The answer needs no login, because the public OpenAPI document shows the same methods.
 */
export function refuseWrongMethods(fastify: FastifyInstance): void {
  const routes = new Map<string, { path: RegExp; methods: Set<string> }>();
  fastify.addHook('onRoute', ({ url, method }) => {
    const route = routes.get(url) ?? { path: pathOf(url), methods: new Set() };
    for (const each of [method].flat()) route.methods.add(each);
    routes.set(url, route);
  });
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    const path = request.url.split('?', 1)[0]!;
    const known = [...routes.values()].filter((route) => route.path.test(path));
    const methods = [...new Set(known.flatMap((route) => [...route.methods]))].sort();
    // If a route has this method, Fastify's pattern for the route is stricter than `pathOf`, so 404 is right.
    if (methods.length === 0 || methods.includes(request.method)) return done();
    reply.header('Allow', methods.join(', '));
    const detail = `This path allows only: ${methods.join(', ')}.`;
    done(new ProblemError('method_not_allowed', { detail }));
  });
}

function pathOf(url: string): RegExp {
  const pattern = url
    .replaceAll(/[$()+.?[\\\]^{|}]/g, String.raw`\$&`)
    .replaceAll(/:\w+/g, '[^/]+')
    .replaceAll('*', '.*');
  return new RegExp(`^${pattern}$`);
}
