import { afterAll, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { ProblemError } from '#libs/kernel';
import { Health } from '#libs/platform';
import { testDatabaseUrl } from '#libs/testing';
import { createDataSource } from './data-source.js';
import { DatabaseHealth } from './database-health.js';

const opened: DataSource[] = [];
afterAll(() => Promise.all(opened.map((dataSource) => dataSource.isInitialized && dataSource.destroy())));

async function healthOf(url: string): Promise<{ health: Health; dataSource: DataSource }> {
  const dataSource = await createDataSource({ url }).initialize();
  opened.push(dataSource);
  const health = new Health();
  void new DatabaseHealth(dataSource, health);
  return { health, dataSource };
}

const notReady = (health: Health) =>
  health.ready().then(
    () => null,
    (error: unknown) => error as ProblemError,
  );

describe('the health check of PostgreSQL', () => {
  it('is up with the schema of this code or a later schema', async () => {
    const { health, dataSource } = await healthOf(await testDatabaseUrl());
    await dataSource.query(
      `INSERT INTO migrations (timestamp, name) VALUES (9999999999999, 'Later9999999999999')`,
    );
    try {
      expect(await health.ready()).toEqual({ status: 'ok', checks: { postgresql: { status: 'up' } } });
    } finally {
      await dataSource.query(`DELETE FROM migrations WHERE name = 'Later9999999999999'`);
    }
  });

  it('is down until all migrations have run', async () => {
    const { health, dataSource } = await healthOf(await testDatabaseUrl());
    const [last] = await dataSource
      .query(`DELETE FROM migrations WHERE id = (SELECT max(id) FROM migrations) RETURNING *`)
      .then((result: [{ timestamp: string; name: string }[], number]) => result[0]);
    try {
      expect(await notReady(health)).toMatchObject({
        code: 'not_ready',
        retryAfterS: 2,
        extensions: { checks: { postgresql: { status: 'down', detail: 'migrations are missing' } } },
      });
    } finally {
      await dataSource.query('INSERT INTO migrations (timestamp, name) VALUES ($1, $2)', [
        last!.timestamp,
        last!.name,
      ]);
    }
    expect(await health.ready()).toMatchObject({ status: 'ok' });
  });

  it('is down in an empty database or without a server', async () => {
    const bare = new URL(await testDatabaseUrl());
    bare.pathname = '/postgres';
    const { health, dataSource } = await healthOf(bare.href);
    expect(await notReady(health)).toMatchObject({ message: 'postgresql: migrations are missing' });
    await dataSource.destroy();
    const error = await notReady(health);
    expect(error).toMatchObject({ code: 'not_ready', status: 503 });
    expect(JSON.stringify([error?.message, error?.extensions])).not.toContain(bare.password || 'no password');
  });
});
