import fastifyCookie from '@fastify/cookie';
import fastifyFormbody from '@fastify/formbody';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { findOutage } from '#libs/database';
import { OperatorAudit, OperatorSessions } from '#libs/operators';
import { createHttpApp, type ConsoleConfig } from '#libs/platform';
import { ConsoleModule } from './console.module.js';
import { serveQueueBoard } from './queues/queue-board.js';
import { guard } from './web/gate.js';
import { Refusals } from './web/refusals.js';

const FORM_LIMIT_BYTES = 16_384;

export async function createConsole(config: ConsoleConfig): Promise<NestFastifyApplication> {
  const app = await createHttpApp(
    ConsoleModule.forRoot(config),
    findOutage,
    config.TRUSTED_PROXIES,
    (problem, request, reply) => app.get(Refusals).answer(problem, request, reply),
  );
  const fastify = app.getHttpAdapter().getInstance();
  await app.register(fastifyCookie);
  await app.register(fastifyFormbody, { bodyLimit: FORM_LIMIT_BYTES });
  const parts = { sessions: app.get(OperatorSessions), audit: app.get(OperatorAudit) };
  guard(fastify, { ...parts, refusals: app.get(Refusals) });
  await serveQueueBoard(app);
  return app;
}
