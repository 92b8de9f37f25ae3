export { Canary } from './canary.js';
export {
  EndedBadly,
  TooEarly,
  type JobDefinition,
  type JobHandler,
  type JobOutcome,
} from './job-definition.js';
export { JobProducer } from './job-producer.js';
export { JobRunner } from './job-runner.js';
export { JobsModule } from './jobs.module.js';
export { QueueWatch, type QueueState, type QueuesState } from './queue-watch.js';
export { RedisLink } from './redis-link.js';
export { Queues } from './queues.js';
