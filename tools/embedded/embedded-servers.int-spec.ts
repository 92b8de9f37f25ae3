import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { serversFolder } from '../checkout.js';
import { startPostgres, stopPostgres } from './postgres.js';
import { askRedis, startRedis, stopRedis } from './redis.js';

const PORT = 56_000;
const password = 'for-this-test-only';
let folder: string;

beforeEach(async () => {
  jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  folder = join(serversFolder(), `spec-${randomUUID()}`);
  await mkdir(folder);
});

afterEach(async () => {
  await Promise.all([stopPostgres(join(folder, 'postgres')), stopRedis(join(folder, 'redis'))]);
  await rm(folder, { recursive: true });
  jest.restoreAllMocks();
});

async function sql<T>(url: string, statement: string): Promise<T[]> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    return (await client.query(statement)).rows as T[];
  } finally {
    await client.end();
  }
}

describe('the embedded PostgreSQL', () => {
  const start = () => startPostgres({ folder: join(folder, 'postgres'), password, port: PORT });

  it('is used again while it still runs, and keeps its data when it stops', async () => {
    const first = await start();
    expect(first.adopted).toBe(false);
    await sql(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');

    const second = await start();
    expect(second).toMatchObject({ adopted: true, url: first.url });

    await second.stop();
    await expect(sql(first.url, 'SELECT 1')).rejects.toThrow(/ECONNREFUSED/);
    const third = await start();
    expect(await sql(third.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('refuses a wrong password, and listens only on 127.0.0.1', async () => {
    const { url } = await start();
    await expect(sql(url.replace(password, 'wrong'), 'SELECT 1')).rejects.toThrow(
      /password authentication failed/,
    );
    expect(await sql(url, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
  });
});

describe('the embedded Redis', () => {
  const start = () => startRedis({ folder: join(folder, 'redis'), password, port: PORT + 100 });

  it('is used again while it still runs, and keeps its data when it stops', async () => {
    const first = await start();
    await askRedis(first.url, (client) => client.set('kept', '42'));
    expect(await start()).toMatchObject({ adopted: true, url: first.url });

    await first.stop();
    await expect(askRedis(first.url, (client) => client.ping())).rejects.toThrow(/ECONNREFUSED/);
    const third = await start();
    expect(third.adopted).toBe(false);
    expect(await askRedis(third.url, (client) => client.get('kept'))).toBe('42');
  });

  it('is not touched if it belongs to another folder with the same port and password', async () => {
    const other = await start();
    const mine = join(folder, 'mine');
    await mkdir(mine);
    await copyFile(join(folder, 'redis', 'redis.conf'), join(mine, 'redis.conf'));

    await stopRedis(mine);
    expect(await askRedis(other.url, (client) => client.ping())).toBe('PONG');
  });
});
