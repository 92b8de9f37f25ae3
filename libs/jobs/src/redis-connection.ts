import { Redis } from 'ioredis';

/** Waits a little longer with each try, two seconds at the most: a Redis that is back is found soon. */
const retryStrategy = (times: number) => Math.min(50 * times, 2_000);

/** ioredis keeps the process for so long after a socket that was never open; its own two seconds are for nothing. */
const disconnectTimeout = 200;

/** A connection that fails at once when Redis is away: for whoever must not be held up. */
export function impatientRedis(url: string): Redis {
  return new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    retryStrategy,
    disconnectTimeout,
    connectionName: 'gangway-producer',
  });
}

/** A connection that waits for Redis as long as it takes: BullMQ's workers want that. */
export function patientRedis(url: string): Redis {
  return new Redis(url, {
    maxRetriesPerRequest: null,
    retryStrategy,
    disconnectTimeout,
    connectionName: 'gangway-worker',
  });
}
