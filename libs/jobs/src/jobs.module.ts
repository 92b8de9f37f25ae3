import { Module } from '@nestjs/common';
import { JobProducer } from './job-producer.js';
import { JobRunner } from './job-runner.js';
import { Queues } from './queues.js';

/** Everything about BullMQ. Whoever runs jobs starts the {@link JobRunner}; nobody else does. */
@Module({
  providers: [Queues, JobProducer, JobRunner],
  exports: [Queues, JobProducer, JobRunner],
})
export class JobsModule {}
