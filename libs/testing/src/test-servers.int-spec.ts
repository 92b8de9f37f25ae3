import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { emptyDatabase, testDatabaseUrl } from './test-database.js';
import { testQueuePrefix, testRedisUrl } from './test-redis.js';

describe('the database of a jest worker', () => {
  let client: Client;

  beforeAll(async () => {
    client = new Client({ connectionString: await testDatabaseUrl() });
    await client.connect();
    await client.query('CREATE TABLE IF NOT EXISTS scratch (id int)');
  });

  afterAll(async () => {
    await client.query('DROP TABLE scratch');
    await client.end();
  });

  it('belongs to this worker alone, and is already migrated', async () => {
    const { rows } = await client.query(
      'SELECT current_database() AS name, count(*)::int AS ran FROM migrations',
    );
    expect(rows[0].name).toMatch(new RegExp(`^gangway_test_.+_${process.env['JEST_WORKER_ID']}$`));
    expect(rows[0].ran).toBeGreaterThan(0);
  });

  it('stays migrated when all rows are deleted', async () => {
    await client.query('INSERT INTO scratch VALUES (1)');
    await emptyDatabase();
    const { rows } = await client.query(
      'SELECT (SELECT count(*) FROM scratch)::int AS rows, (SELECT count(*) FROM migrations)::int AS ran',
    );
    expect(rows[0].rows).toBe(0);
    expect(rows[0].ran).toBeGreaterThan(0);
  });
});

describe('the Redis of a test run', () => {
  it('never evicts keys, as BullMQ requires, and accepts keys under the worker’s prefix', async () => {
    const redis = new Redis(testRedisUrl());
    try {
      expect(await redis.config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction']);
      await redis.set(`${testQueuePrefix()}:scratch`, '1');
      expect(await redis.get(`${testQueuePrefix()}:scratch`)).toBe('1');
    } finally {
      redis.disconnect();
    }
  });
});
