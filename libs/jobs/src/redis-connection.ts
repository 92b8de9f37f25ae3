import { Redis } from 'ioredis';
import { beat } from './heartbeat.js';

/** Waits a little longer with each try, two seconds at the most: a Redis that is back is found soon. */
const retryStrategy = (times: number) => Math.min(50 * times, 2_000);

/** ioredis keeps the process for so long after a socket that was never open; its own two seconds are for nothing. */
const disconnectTimeout = 200;

/**
 * A connection that fails at once when Redis is away, and soon when it hangs: for whoever must not be held up.
 *
 * @param options.commandTimeout milliseconds after which a command has failed, whatever becomes of it.
 */
export function impatientRedis(
  url: string,
  { connectionName = 'gangway-producer', commandTimeout = 2_000 } = {},
): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout,
    retryStrategy,
    disconnectTimeout,
    connectionName,
  });
  beat(redis);
  return redis;
}

/**
 * A connection that waits for Redis as long as it takes: BullMQ's workers want that. BullMQ watches over the
 * copies of it that it makes for blocking reads.
 *
 * @param isWanted once false, a lost connection is not made again, and what still waits for it fails.
 */
export function patientRedis(url: string, isWanted: () => boolean): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: null,
    connectTimeout: 2_000,
    retryStrategy: (times) => (isWanted() ? retryStrategy(times) : null),
    disconnectTimeout,
    connectionName: 'gangway-worker',
  });
  beat(redis);
  return redis;
}
