import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import type { Queues } from '#libs/jobs';
import { KeyedHash } from '#libs/platform';
import { testConfig } from '#libs/testing';
import { LoginThrottle } from './login-throttle.js';

it('counts tries in the process if Redis does not answer', async () => {
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  // This client has no timeout, and the server never answers.
  const redis = new Redis((silent.address() as AddressInfo).port, '127.0.0.1', {
    enableReadyCheck: false,
    disableClientInfo: true,
  });
  await once(redis, 'ready');
  const config = testConfig({ OPS_LOGIN_TRIES: '1' });
  const throttle = new LoginThrottle(
    { redis, isReady: () => true } as unknown as Queues,
    new KeyedHash(config.HASH_KEY),
    config,
  );
  await throttle.take('vera', '192.0.2.1');
  await expect(throttle.take('vera', '192.0.2.1')).rejects.toMatchObject({ code: 'rate_limited' });
  redis.disconnect();
  for (const socket of sockets) socket.destroy();
  silent.close();
});
