import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { startServers } from './servers.js';

it.each([
  ['garbage', undefined, 'DATABASE_URL is not a URL that starts with postgres:// or postgresql://.'],
  [
    'jdbc:postgresql://db/x',
    undefined,
    'DATABASE_URL is not a URL that starts with postgres:// or postgresql://.',
  ],
  [undefined, 'http://cache:6379', 'REDIS_URL is not a URL that starts with redis:// or rediss://.'],
  [undefined, 'cache:6379', 'REDIS_URL is not a URL that starts with redis:// or rediss://.'],
])(
  'startServers refuses DATABASE_URL %s with REDIS_URL %s, and starts nothing',
  async (databaseUrl, redisUrl, message) => {
    const parent = mkdtempSync(join(tmpdir(), 'gangway-servers-'));
    const folder = join(parent, 'dev');
    const starting = startServers({ folder, password: 'x', given: { databaseUrl, redisUrl } });
    await expect(starting).rejects.toMatchObject({ name: 'Plain', message });
    expect(existsSync(folder)).toBe(false);
    rmSync(parent, { recursive: true });
  },
);
