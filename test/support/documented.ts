import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { membersOf, type ProblemCode } from '#libs/kernel';

interface Described {
  responses: Record<string, { description: string }>;
}

const { paths } = JSON.parse(readFileSync(join(import.meta.dirname, '../../docs/openapi.json'), 'utf8')) as {
  paths: Record<string, Record<string, Described>>;
};

/** The most specific first: `/operations/integrations` before `/operations/{id}`. */
const ROUTES = Object.entries(paths)
  .map(([route, methods]) => ({
    route,
    pattern: new RegExp(`^${route.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    methods,
  }))
  .sort((a, b) => a.route.split('{').length - b.route.split('{').length);

const STANDARD = new Set(['type', 'title', 'status', 'detail', 'instance', 'code', 'traceId', 'retryable']);

/** @returns the members that neither STANDARD nor PROBLEMS lists. */
export const undocumentedMembers = (problem: object, code: string): string[] => {
  const documented = new Set<string>(membersOf(code as ProblemCode));
  return Object.keys(problem).filter((member) => !STANDARD.has(member) && !documented.has(member));
};

/** @throws Error if a problem has a code or a member that is not documented at this route */
export function refuseUndocumented(method: string, path: string, status: number, body: unknown): void {
  const { code } = (body ?? {}) as { code?: unknown };
  const found = ROUTES.find(({ pattern }) => pattern.test(path.split('?')[0]!));
  const described = found?.methods[method.toLowerCase()];
  if (status < 400 || !described || typeof code !== 'string') return;
  if (!described.responses[status]?.description.includes(`\`${code}\``)) {
    throw new Error(
      `docs/openapi.json does not name \`${code}\` (${status}) at ${method} ${found!.route}: ` +
        'add it to @Answers or @CommandAnswers of the route, and run npm run openapi',
    );
  }
  const extra = undocumentedMembers(body as object, code);
  if (extra.length > 0) {
    throw new Error(
      `PROBLEMS does not name ${extra.join(', ')} as members of \`${code}\`: ` +
        'add them in libs/kernel/src/problem.ts, and run npm run openapi',
    );
  }
}
