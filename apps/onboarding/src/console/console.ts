import fastifyCookie from '@fastify/cookie';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { findOutage } from '#libs/database';
import { Queues } from '#libs/jobs';
import { OperatorAudit, OperatorLogin, OperatorSessions, OwnAccount } from '#libs/operators';
import { Health, KeyedHash, ProblemFilter } from '#libs/platform';
import { serveAccount } from './account.routes.js';
import { ConsoleAnswers } from './answers.js';
import { FormTokens } from './form-token.js';
import { takeForms } from './forms.js';
import { guard } from './gate.js';
import { serveHome } from './home.route.js';
import { serveLogin } from './login.routes.js';
import { PATHS } from './paths.js';
import { serveQueueBoard } from './queue-board.js';

/**
 * The operators' console. Bull Board has no login, and Nest's guards do not run for its routes. So the
 * console is one Fastify scope. A gate checks the login on all routes of the scope, including assets and
 * unknown paths.
 */
export async function serveConsole(app: NestFastifyApplication): Promise<void> {
  const filter = new ProblemFilter(findOutage);
  const problemOf = (error: unknown) => filter.problemOf(error);
  const tokens = new FormTokens(app.get(KeyedHash));
  const answers = new ConsoleAnswers(tokens);
  const [sessions, audit] = [app.get(OperatorSessions), app.get(OperatorAudit)];
  await app
    .getHttpAdapter()
    .getInstance()
    .register(
      async (scope) => {
        await scope.register(fastifyCookie);
        guard(scope, sessions, answers, problemOf);
        serveHome(scope, { health: app.get(Health), answers, tokens });
        const login = app.get(OperatorLogin);
        const account = app.get(OwnAccount);
        // This is the only scope of the service that accepts forms.
        await scope.register(async (forms) => {
          await takeForms(forms);
          serveLogin(forms, { login, sessions, audit, answers, tokens, problemOf });
          serveAccount(forms, { account, sessions, answers, tokens, problemOf });
        });
        const queues = app.get(Queues);
        await scope.register((board) => serveQueueBoard(board, { queues, audit, answers, problemOf }));
      },
      { prefix: PATHS.home },
    );
}
