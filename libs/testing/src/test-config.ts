import { parseConfig, parseConsoleConfig, type Config, type ConsoleConfig } from '#libs/platform';
import { PROVIDERS } from '#libs/upstream';
import { testDatabaseEnv } from './test-database.js';
import { testQueuePrefix, testRedisUrl } from './test-redis.js';

/** A valid environment that reaches no server, because nothing listens on port 1. */
export const TEST_ENV: Readonly<Record<string, string>> = {
  NODE_ENV: 'test',
  LOG_LEVEL: 'silent',
  DATABASE_URL: 'postgres://gangway@127.0.0.1:1/nothing',
  REDIS_URL: 'redis://127.0.0.1:1',
  API_KEY: 'key-of-the-tests-0123456789',
  SEALING_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
  HASH_KEY: Buffer.alloc(32, 9).toString('base64'),
  OPS_PASSWORD: 'password-of-the-tests',
  INTEGRATIONS: 'byzantine',
  INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
  INTEGRATION_BYZANTINE_BASE_URL: 'http://127.0.0.1:1',
  INTEGRATION_BYZANTINE_PRIVATE_KEY: '01'.repeat(32),
  INTEGRATION_BYZANTINE_RP_ID: 'app.example.com',
  INTEGRATION_BYZANTINE_RP_NAME: 'Acme',
  INTEGRATION_BYZANTINE_ORIGINS: 'https://app.example.com',
};

/** For a test without servers. */
export function testConfig(env: Record<string, string> = {}): Config {
  return parseConfig({ ...TEST_ENV, ...env }, PROVIDERS);
}

export function testConsoleConfig(env: Record<string, string> = {}): ConsoleConfig {
  return parseConsoleConfig({ ...TEST_ENV, ...env });
}

/**
 * For a test with the database and the queues of this jest worker.
 *
 * @throws Error if jest runs without `npm test`
 */
export async function testServersConfig(env: Record<string, string> = {}): Promise<Config> {
  return testConfig({
    ...(await testDatabaseEnv()),
    REDIS_URL: testRedisUrl(),
    QUEUE_PREFIX: testQueuePrefix(),
    ...env,
  });
}
