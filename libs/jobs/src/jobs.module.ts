import { Module } from '@nestjs/common';
import { Canary } from './canary.js';
import { JobProducer } from './job-producer.js';
import { JobRunner } from './job-runner.js';
import { QueueWatch } from './queue-watch.js';
import { Queues } from './queues.js';
import { RedisDatabase } from './redis-database.js';

/** Only a process that runs jobs starts the {@link JobRunner}. */
@Module({
  providers: [RedisDatabase, Canary, Queues, QueueWatch, JobProducer, JobRunner],
  exports: [Canary, Queues, QueueWatch, JobProducer, JobRunner],
})
export class JobsModule {}
