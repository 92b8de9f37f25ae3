export { aCall } from './a-call.js';
export { aCaller } from './a-caller.js';
export { aRow, after } from './a-row.js';
export { anOnboarding, inMs, type Database, type FromNow } from './an-onboarding.js';
export { byzantineSchemas, type ByzantineOperation } from './byzantine-schemas/byzantine-schemas.js';
export { TEST_ENV, testConfig, testServersConfig } from './test-config.js';
export { emptyDatabase, testDatabaseUrl } from './test-database.js';
export { testQueuePrefix, testRedisUrl } from './test-redis.js';
export { until } from './until.js';
