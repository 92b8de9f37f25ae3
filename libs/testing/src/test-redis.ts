import { randomBytes } from 'node:crypto';
import { fromTestRun, workerName } from './test-run.js';

/**
 * The Redis of this test run. All jest workers share it. Therefore keys need {@link testQueuePrefix}.
 *
 * @returns a connection URL
 * @throws Error if jest runs without `npm test`
 */
export function testRedisUrl(): string {
  return fromTestRun('GANGWAY_TEST_REDIS_URL');
}

/**
 * The prefix of BullMQ's keys for this jest worker. Because of the braces, a Redis Cluster stores all these
 * keys in one slot. `npm test` deletes the keys at the end of the run.
 */
export function testQueuePrefix(): string {
  return `{gangway-test-${workerName('-')}}`;
}

/** @returns a prefix for a single test, so that this test sees no jobs, pauses or counts of other tests. */
export function ownQueuePrefix(): string {
  return testQueuePrefix().replace('}', `-${randomBytes(4).toString('hex')}}`);
}
