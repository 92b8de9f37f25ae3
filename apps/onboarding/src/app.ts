import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { admitCallers } from '#libs/callers';
import { findOutage } from '#libs/database';
import { createHttpApp, type Config } from '#libs/platform';
import { AppModule } from './app.module.js';
import { keepAnswers } from './idempotency.js';
import { serveDocs } from './openapi.js';

export async function createApp(config: Config): Promise<NestFastifyApplication> {
  const app = await createHttpApp(AppModule.forRoot(config), findOutage, config.TRUSTED_PROXIES);
  admitCallers(app);
  keepAnswers(app);
  serveDocs(app);
  return app;
}
