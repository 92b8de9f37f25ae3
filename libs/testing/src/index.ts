export { byzantineSchemas, type ByzantineOperation } from './byzantine-schemas/byzantine-schemas.js';
export { emptyDatabase, testDatabaseUrl } from './test-database.js';
export { testQueuePrefix, testRedisUrl } from './test-redis.js';
