import { Module } from '@nestjs/common';
import { Canary } from './canary.js';
import { JobProducer } from './job-producer.js';
import { JobRunner } from './job-runner.js';
import { Queues } from './queues.js';

/** Everything about BullMQ. Whoever runs jobs starts the {@link JobRunner}; nobody else does. */
@Module({
  providers: [Canary, Queues, JobProducer, JobRunner],
  exports: [Canary, Queues, JobProducer, JobRunner],
})
export class JobsModule {}
