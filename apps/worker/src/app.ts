import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { findOutage } from '#libs/database';
import { Canary, JobRunner } from '#libs/jobs';
import { OperationWorker, StepHandler, UpkeepHandlers } from '#libs/onboarding';
import { createHttpApp, type Config } from '#libs/platform';
import { WorkerModule } from './worker.module.js';

/** The worker's HTTP routes only report its health and metrics. */
export function createWorker(config: Config): Promise<NestFastifyApplication> {
  return createHttpApp(WorkerModule.forRoot(config), findOutage, config.TRUSTED_PROXIES);
}

export function startJobs(app: NestFastifyApplication): void {
  app
    .get(JobRunner)
    .start([
      ...app.get(StepHandler).handlers(),
      ...app.get(UpkeepHandlers).handlers(),
      ...app.get(OperationWorker).handlers(),
      app.get(Canary).handler(),
    ]);
}
