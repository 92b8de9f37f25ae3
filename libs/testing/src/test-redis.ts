import { randomBytes } from 'node:crypto';
import { fromTestRun, workerName } from './test-run.js';

/**
 * The Redis of this test run. All workers of jest share it: keys go under {@link testQueuePrefix}.
 *
 * @returns a connection URL
 * @throws Error without `npm test`
 */
export function testRedisUrl(): string {
  return fromTestRun('GANGWAY_TEST_REDIS_URL');
}

/**
 * The prefix of BullMQ's keys for this worker of jest. In braces, so that a cluster keeps a queue's keys in one
 * slot; `npm test` deletes the keys at the end of the run.
 */
export function testQueuePrefix(): string {
  return `{gangway-test-${workerName('-')}}`;
}

/** A prefix of one story alone: jobs, pauses and counts of another story must not be in its Redis. */
export function ownQueuePrefix(): string {
  return testQueuePrefix().replace('}', `-${randomBytes(4).toString('hex')}}`);
}
