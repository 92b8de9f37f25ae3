export { emptyDatabase, testDatabaseUrl } from './test-database.js';
export { testQueuePrefix, testRedisUrl } from './test-redis.js';
