import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { KeyedHash } from '#libs/platform';
import { testQueuePrefix, testServersConfig, until } from '#libs/testing';
import { LimitRedis } from './limit-redis.js';
import { RateLimits } from './rate-limits.js';

const QUOTAS = { RATE_LIMIT_CALLER_PER_MINUTE: '5', RATE_LIMIT_SUBJECT_PER_MINUTE: '2' };
const prefix = testQueuePrefix().replace('}', '-rate-limits}');

const opened: LimitRedis[] = [];
afterAll(() => {
  for (const redis of opened) redis.onApplicationShutdown();
});

async function aProcess(quotas: Record<string, string> = QUOTAS): Promise<RateLimits> {
  const config = await testServersConfig({ ...quotas, QUEUE_PREFIX: prefix });
  const redis = new LimitRedis(config);
  opened.push(redis);
  // On a slow machine, the usual 150 ms would make the process count by itself.
  redis.link.redis.options.commandTimeout = 20_000;
  await until('Redis takes writes', () => redis.link.accepts);
  return new RateLimits(redis, new KeyedHash(config.HASH_KEY), config);
}

let limits: RateLimits;
beforeAll(async () => {
  limits = await aProcess();
});

describe('the rate limits', () => {
  it('count a caller’s requests over all processes', async () => {
    const [caller, other] = [`caller-${randomUUID()}`, await aProcess()];
    for (let n = 0; n < 5; n++) {
      const count = await (n % 2 ? other : limits).addRequest(caller);
      expect(count).toMatchObject({ policy: 'caller', quota: 5, remaining: 4 - n, over: false });
    }
    expect(await limits.addRequest(caller)).toMatchObject({ over: true });
    expect(await limits.addRequest(`caller-${randomUUID()}`)).toMatchObject({ over: false });
  });

  it('count the commands about one subject (user) separately for each caller', async () => {
    const [mine, theirs, subject] = [randomUUID(), randomUUID(), randomUUID()];
    for (let n = 0; n < 2; n++) expect((await limits.addCommand(mine, subject)).over).toBe(false);
    expect(await limits.addCommand(mine, subject)).toMatchObject({ policy: 'subject', quota: 2, over: true });
    expect((await limits.addCommand(theirs, subject)).over).toBe(false);
    expect((await limits.addCommand(mine, randomUUID())).over).toBe(false);
    // Commands do not change the count of requests.
    expect(await limits.addRequest(mine)).toMatchObject({ remaining: 4 });
  });

  it('count the first commands about one subject without Redis, with the default quotas', async () => {
    const [process, caller, subject] = [await aProcess({}), randomUUID(), randomUUID()];
    const sent = jest.spyOn(opened.at(-1)!.link.redis, 'sendCommand');
    for (const remaining of [59, 58, 57, 56]) {
      expect(await process.addCommand(caller, subject)).toMatchObject({ remaining, over: false });
    }
    expect(sent).not.toHaveBeenCalled();
    sent.mockRestore();
  });

  it('store in Redis neither the names of callers nor the subjects (users)', async () => {
    const [caller, subject] = [`caller-${randomUUID()}`, `ana-${randomUUID()}@example.com`];
    await limits.addRequest(caller);
    await limits.addCommand(caller, subject);
    const { redis } = opened[0]!.link;
    const keys = await redis.keys(`${prefix}:limit:*`);
    expect(keys.length).toBeGreaterThan(0);
    expect(keys.join()).not.toMatch(/caller-|example\.com/);
    for (const key of keys) expect(await redis.get(key)).toMatch(/^\d+$/);
    for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0);
  });
});
