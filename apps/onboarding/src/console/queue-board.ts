import { randomUUID } from 'node:crypto';
import fastifyBasicAuth from '@fastify/basic-auth';
import { createBullBoard } from '@bull-board/api';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { FastifyAdapter } from '@bull-board/fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Queues } from '#libs/jobs';
import { ProblemError, equalInConstantTime } from '#libs/kernel';
import { CONFIG, sendProblem, type Config } from '#libs/platform';

const PATH = '/ops/queues';

/**
 * Bull Board for operators. It has no login of its own and Nest's guards do not reach it, so it lives in a
 * Fastify scope of its own, whose hook asks for a login before any of its routes, assets included.
 */
export async function serveQueueBoard(app: NestFastifyApplication): Promise<void> {
  const { OPS_USER, OPS_PASSWORD } = app.get<Config>(CONFIG);
  const queues = app.get(Queues);
  const adapter = new FastifyAdapter().setBasePath(PATH);
  createBullBoard({
    queues: queues.all().map((queue) => new BullMQAdapter(queue)),
    serverAdapter: adapter,
    options: { uiConfig: { boardTitle: 'Gangway' } },
  });
  await app
    .getHttpAdapter()
    .getInstance()
    .register(async (scope) => {
      await scope.register(fastifyBasicAuth, {
        authenticate: { realm: 'Gangway operations' },
        validate: async (user, password) => {
          const known = equalInConstantTime(user, OPS_USER);
          const right = equalInConstantTime(password, OPS_PASSWORD?.reveal() ?? randomUUID());
          if (!known || !right) throw new Error('wrong user or password');
        },
      });
      // Bull Board answers errors in its own words; a missing login is answered in ours, before it is asked.
      scope.addHook('onRequest', (request, reply, done) => {
        scope.basicAuth(request, reply, (error) => {
          if (!error && queues.isReady()) return done();
          if (!error) {
            const away = 'Redis is away. Requests are taken all the same; retries wait until it is back.';
            return sendProblem(
              new ProblemError('not_ready', { detail: away, retryAfterS: 2 }),
              request,
              reply,
            );
          }
          const detail = 'Log in with OPS_USER and OPS_PASSWORD.';
          sendProblem(new ProblemError('unauthenticated', { detail }), request, reply);
        });
      });
      await scope.register(adapter.registerPlugin(), { prefix: PATH });
    });
}
