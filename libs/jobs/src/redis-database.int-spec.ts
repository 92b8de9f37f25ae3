import { createServer } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { ConfigError } from '#libs/platform';
import { testConfig, testRedisUrl } from '#libs/testing';
import { RedisDatabase } from './redis-database.js';

const boot = (url: string) => new RedisDatabase(testConfig({ REDIS_URL: url })).onModuleInit();
const withIndex = (index: number) => Object.assign(new URL(testRedisUrl()), { pathname: `/${index}` }).href;

describe('the database of REDIS_URL', () => {
  it('is refused at boot if Redis has no database with this number', async () => {
    const fault = await boot(withIndex(9_999)).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(ConfigError);
    expect((fault as ConfigError).faults).toEqual([
      {
        variable: 'REDIS_URL',
        detail: 'names database 9999, and Redis refuses it: DB index is out of range',
      },
    ]);
  });

  it('is accepted at boot if Redis has this database', async () => {
    await boot(withIndex(3));
    await boot(testRedisUrl());
  });

  it('does not stop the boot while Redis is away or silent', async () => {
    await boot('redis://127.0.0.1:1/9999');
    const silent = createServer((socket) => void socket.resume().on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    await boot(`redis://127.0.0.1:${(silent.address() as { port: number }).port}/9999`);
    silent.close();
  });
});
