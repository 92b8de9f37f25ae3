import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
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
});
afterAll(async () => {
  await dataSource.query('DELETE FROM api_keys');
  await dataSource.destroy();
});

async function make(caller: string, days: number | null, { isUsed = true } = {}) {
  const lifeMs = days === null ? null : days * DAY_MS;
  const made = await keys.create({ caller, scopes: ['admin'], integrations: null, name: null, lifeMs }, WHO);
  if (isUsed) await used(made.key.id);
  return made.key;
}

const used = (id: string, daysAgo = 0) =>
  dataSource.query(
    `UPDATE api_keys SET last_used_at = clock_timestamp() - $2 * interval '1 day' WHERE id = $1`,
    [id, daysAgo],
  );

const age = (id: string, days: number) =>
  dataSource.query(
    `UPDATE api_keys SET created_at = created_at - $2 * interval '1 day',
      expires_at = expires_at - $2 * interval '1 day'
    WHERE id = $1`,
    [id, days],
  );

/** @returns for each caller, in how many days its first key expires, by the metric of a new process */
async function shown(): Promise<Record<string, number>> {
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
  const lines = [...(await scraped()).matchAll(/\{kind="api_key",name="(.*)"\} (\S+)$/gm)];
  // The second scrape within a minute does not ask PostgreSQL.
  expect(asked).toBe(1);
  return Object.fromEntries(
    lines.map(([, caller, at]) => [caller, Math.round((Number(at) * 1_000 - Date.now()) / DAY_MS)]),
  );
}

beforeEach(() => dataSource.query('DELETE FROM api_keys'));

describe('the metric for the expiry of API keys', () => {
  it('shows for each caller when the first of its used keys expires', async () => {
    expect(await shown()).toEqual({});
    await make('shop', null);
    expect(await shown()).toEqual({});
    await make('shop', 90);
    await make('bank', 120);
    const rotated = await make('shop', 60);
    const revoked = await make('shop', 40);
    await keys.revoke(revoked.id, WHO);
    await make('shop', 50, { isUsed: false });
    expect(await shown()).toEqual({ shop: 60, bank: 120 });
    // The rotated key is not shown, nor its unused successor, which lasts 60 days.
    const { key } = await keys.rotate(rotated.id, DAY_MS, WHO);
    expect(await shown()).toEqual({ shop: 90, bank: 120 });
    await used(key.id);
    expect(await shown()).toEqual({ shop: 60, bank: 120 });
  });

  it('leaves out keys with a lifetime of a month or less', async () => {
    await make('shop', 1);
    await make('shop', 30);
    expect(await shown()).toEqual({});
  });

  it('still shows an expired key for a week, unless the key is revoked', async () => {
    const over = await make('shop', 60);
    await age(over.id, 63);
    await used(over.id, 4);
    expect(await shown()).toEqual({ shop: -3 });
    await keys.revoke(over.id, WHO);
    expect(await shown()).toEqual({});
    const long = await make('shop', 60);
    await age(long.id, 68);
    await used(long.id, 9);
    expect(await shown()).toEqual({});
  });

  it('leaves out keys that were not used for a month', async () => {
    const forgotten = await make('shop', 60);
    await used(forgotten.id, 31);
    expect(await shown()).toEqual({});
    await used(forgotten.id, 29);
    expect(await shown()).toEqual({ shop: 60 });
  });

  it('shows at most ten callers: those whose keys expire first', async () => {
    for (let n = 0; n < 12; n++) await make(`shop-${n}`, 60 - n);
    expect(Object.keys(await shown()).sort()).toEqual(
      Array.from({ length: 10 }, (_, n) => `shop-${n + 2}`).sort(),
    );
  });
});
