import type { FastifyInstance } from 'fastify';
import { ProblemError } from '#libs/kernel';
import type { Finding, Health } from '#libs/platform';
import type { ConsoleAnswers } from './answers.js';
import type { FormTokens } from './form-token.js';
import { homePage } from './pages.js';
import { PATHS, within } from './paths.js';
import { STYLESHEET } from './stylesheet.js';

/** The console's first page, and the stylesheet of all its pages. */
export function serveHome(
  scope: FastifyInstance,
  { health, answers, tokens }: { health: Health; answers: ConsoleAnswers; tokens: FormTokens },
): void {
  scope.get(within(PATHS.home), async (request, reply) => {
    const found = await findings(health);
    const page = homePage({ operator: request.operator!, formToken: tokens.ofSession(request), ...found });
    return answers.page(reply, page);
  });
  scope.get(within(PATHS.stylesheet), { config: { withoutLogin: true } }, async (_request, reply) =>
    reply.type('text/css; charset=utf-8').send(STYLESHEET),
  );
}

async function findings(health: Health): Promise<{ status: string; checks: Record<string, Finding> }> {
  try {
    return await health.ready();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    return { status: 'not ready', checks: (error.extensions['checks'] ?? {}) as Record<string, Finding> };
  }
}
