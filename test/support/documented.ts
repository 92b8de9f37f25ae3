import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Described {
  responses: Record<string, { description: string }>;
}

const { paths } = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/openapi.json'), 'utf8')) as {
  paths: Record<string, Record<string, Described>>;
};

/** The most specific route comes first: `/operations/integrations` before `/operations/{id}`. */
const ROUTES = Object.entries(paths)
  .map(([route, methods]) => ({
    route,
    pattern: new RegExp(`^${route.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    methods,
  }))
  .sort((a, b) => a.route.split('{').length - b.route.split('{').length);

/** @throws Error if the answer is a problem whose code docs/openapi.json does not name at its route. */
export function refuseUndocumented(method: string, path: string, status: number, body: unknown): void {
  const { code } = (body ?? {}) as { code?: unknown };
  const found = ROUTES.find(({ pattern }) => pattern.test(path.split('?')[0]!));
  const described = found?.methods[method.toLowerCase()];
  if (status < 400 || !described || typeof code !== 'string') return;
  if (described.responses[status]?.description.includes(`\`${code}\``)) return;
  throw new Error(
    `docs/openapi.json does not name \`${code}\` (${status}) at ${method} ${found!.route}: ` +
      'add it to @Answers or @CommandAnswers of the route, and run npm run openapi',
  );
}
