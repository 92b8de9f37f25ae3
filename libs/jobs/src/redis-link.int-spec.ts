import { Logger } from '@nestjs/common';
import { afterEach, expect, it, jest } from '@jest/globals';
import { Redis } from 'ioredis';
import { testQueuePrefix, testRedisUrl, until } from '#libs/testing';
import { RedisLink } from './redis-link.js';

const url = new URL(testRedisUrl());
url.pathname = '/99';
const name = 'gangway-link-of-the-tests';

afterEach(() => void jest.restoreAllMocks());

it('a Redis connection never uses database 0 if the server refuses the database of REDIS_URL', async () => {
  const onlooker = new Redis(testRedisUrl());
  const link = RedisLink.patient(url.href, { name, prefix: testQueuePrefix(), isWanted: () => true });
  const copy = link.redis.duplicate({ maxRetriesPerRequest: null });
  copy.on('error', () => undefined);
  try {
    const written = [link.redis, copy].map((redis, n) => redis.set(`${testQueuePrefix()}:database:${n}`, 1));
    for (const each of written) each.catch(() => undefined); // these commands wait until the test ends
    let connections = 0;
    copy.on('close', () => connections++);
    await until('the trouble is found', () => link.trouble?.refused === true);
    expect(link.trouble?.words).toBe('has no database of the number in REDIS_URL');
    await until('it has tried again', () => connections >= 2);
    expect(link.accepts).toBe(false);
    expect(await onlooker.keys(`*${testQueuePrefix().slice(1, -1)}*:database:*`)).toEqual([]);
  } finally {
    copy.disconnect();
    link.disconnect();
    onlooker.disconnect();
  }
});

it('a Redis connection stays open after one late answer', async () => {
  const commandTimeout = 400;
  const link = RedisLink.impatient(testRedisUrl(), { name, prefix: testQueuePrefix(), commandTimeout });
  try {
    await until('it takes writes', () => link.accepts);
    let closed = 0;
    link.redis.on('close', () => closed++);
    const asked = jest.spyOn(link.redis, 'set');
    // After setImmediate, timers run before sockets are read, so the command times out although its answer
    // has arrived.
    await new Promise((resolve) => setImmediate(resolve));
    void link.ask();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1.5 * commandTimeout);
    await until('it has asked three times more', () => asked.mock.calls.length >= 4);
    expect(closed).toBe(0);
    expect(link.accepts).toBe(true);
  } finally {
    link.disconnect();
  }
});

it('a Redis connection takes writes again after it was closed with unsent commands', async () => {
  const link = RedisLink.impatient(testRedisUrl(), { name, prefix: testQueuePrefix() });
  const key = `${testQueuePrefix()}:together`;
  try {
    await until('it takes writes', () => link.accepts);
    const closed = new Promise((resolve) => link.redis.once('close', resolve));
    link.sendTogether();
    const collected = link.redis.set(key, 'first');
    link.redis.disconnect(true);
    await Promise.allSettled([collected, closed]);
    await until('it takes writes again', () => link.accepts);
    link.sendTogether();
    expect(await link.redis.set(key, 'second')).toBe('OK');
    expect(await link.redis.getdel(key)).toBe('second');
  } finally {
    link.disconnect();
  }
});

it('a Redis connection logs the last state of Redis, even after several fast changes', async () => {
  const admin = new Redis(testRedisUrl());
  const user = `${name}-${process.pid}`;
  await admin.acl('SETUSER', user, 'reset', 'on', '>secret', '~*', '&*', '+@all');
  const lines: string[] = [];
  for (const level of ['log', 'warn'] as const)
    jest
      .spyOn(Logger.prototype, level)
      .mockImplementation((_fields, line?: unknown) => void lines.push(String(line)));
  const ofUser = new URL(testRedisUrl());
  [ofUser.username, ofUser.password] = [user, 'secret'];
  const link = RedisLink.impatient(ofUser.href, { name, prefix: testQueuePrefix() });
  const permit = async (rule: '+set' | '-set') => {
    await admin.acl('SETUSER', user, rule);
    await until(`${rule} is seen`, () => link.accepts === (rule === '+set'));
  };
  try {
    await until('it takes writes', () => link.accepts);
    for (const rule of ['-set', '+set', '-set'] as const) await permit(rule);
    const [refused, accepted] = [expect.stringContaining('(NOPERM)'), 'Redis takes writes again'];
    expect(lines).toEqual([refused, accepted]);
    await until('it is logged', () => lines.length > 2);
    expect(lines).toEqual([refused, accepted, refused]);
  } finally {
    link.disconnect();
    await admin.acl('DELUSER', user);
    admin.disconnect();
  }
});
