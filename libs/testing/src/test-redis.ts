import { randomBytes } from 'node:crypto';
import { fromTestRun, workerName } from './test-run.js';

/**
 * All jest workers of a run share this Redis. Therefore keys need {@link testQueuePrefix}.
 *
 * @throws Error if jest runs without `npm test`
 */
export function testRedisUrl(): string {
  return fromTestRun('GANGWAY_TEST_REDIS_URL');
}

/** The braces keep all keys in one slot of a Redis Cluster. */
export function testQueuePrefix(): string {
  return `{gangway-test-${workerName('-')}}`;
}

/** For a single test, which then sees no jobs, pauses or counts of other tests. */
export function ownQueuePrefix(): string {
  return testQueuePrefix().replace('}', `-${randomBytes(4).toString('hex')}}`);
}
