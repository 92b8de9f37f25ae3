import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { PreparedStatements, createDataSource } from '#libs/database';
import { systemClock } from '#libs/kernel';
import { KeyedHash, Metrics } from '#libs/platform';
import { testDatabaseUrl, until } from '#libs/testing';
import { ApiKeyExpiry } from './api-key-expiry.js';
import { ApiKeys } from './api-keys.js';
import { Audit } from './audit.js';

const WHO = { actor: 'cli:test', address: null };
const DAY_MS = 86_400_000;

let dataSource: DataSource;
let statements: PreparedStatements;
let keys: ApiKeys;
beforeAll(async () => {
  Logger.overrideLogger(false);
  dataSource = await createDataSource({ url: await testDatabaseUrl() }).initialize();
  statements = new PreparedStatements(dataSource);
  keys = new ApiKeys(statements, new KeyedHash(Buffer.alloc(32, 9)), new Audit(statements));
  await dataSource.query('DELETE FROM api_keys');
});
afterAll(async () => {
  await dataSource.query('DELETE FROM api_keys');
  await dataSource.destroy();
});

const make = async (days: number | null) =>
  (
    await keys.create(
      {
        caller: 'shop',
        scopes: ['admin'],
        integrations: null,
        name: null,
        lifeMs: days === null ? null : days * DAY_MS,
      },
      WHO,
    )
  ).key;

/** The days until the end that a new process shows; null: none. */
async function shown(): Promise<number | null> {
  const metrics = new Metrics();
  let asked = 0;
  const counting = {
    run: async (...args: Parameters<PreparedStatements['run']>) => {
      const rows = await statements.run(...args);
      asked += 1;
      return rows;
    },
  } as PreparedStatements;
  const expiry = new ApiKeyExpiry(counting, systemClock, metrics);
  expect(expiry).toBeDefined();
  const scraped = () =>
    metrics.registry.getSingleMetricAsString('gangway_credential_expiry_timestamp_seconds');
  await scraped();
  await until('it was asked', () => asked === 1);
  const value = /\{kind="api_key",name=""\} (\S+)$/m.exec(await scraped())?.[1];
  // A scrape asks PostgreSQL at most once a minute.
  expect(asked).toBe(1);
  return value === undefined ? null : Math.round((Number(value) * 1_000 - Date.now()) / DAY_MS);
}

describe('the end of the API keys', () => {
  it('is that of the first key to expire, among those in use', async () => {
    expect(await shown()).toBeNull();
    await make(null);
    expect(await shown()).toBeNull();
    await make(90);
    const rotated = await make(60);
    const revoked = await make(5);
    const over = await make(1);
    await keys.revoke(revoked.id, WHO);
    await dataSource.query('UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = $1', [over.id]);
    expect(await shown()).toBe(60);
    // A rotated key ends by plan. Its successor lives for 60 days.
    await keys.rotate(rotated.id, DAY_MS, WHO);
    expect(await shown()).toBe(60);
  });
});
