import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Queues } from '#libs/jobs';
import { Health, Metrics } from '#libs/platform';
import { testConfig, testServersConfig, until } from '#libs/testing';
import { RetryBudget } from './retry-budget.js';

let queues: Queues;
const limits = { RETRY_BUDGET_BURST: '5', RETRY_BUDGET_PERCENT: '10' };
/** All tests run at this time, three seconds after the start of a window. */
const NOW = Math.floor(Date.now() / 10_000) * 10_000 + 3_000;
beforeAll(async () => {
  jest.spyOn(Date, 'now').mockReturnValue(NOW);
  queues = new Queues(await testServersConfig(limits), new Health(), new Metrics());
  await until('Redis is ready', () => queues.isReady());
});
afterAll(async () => {
  jest.restoreAllMocks();
  await queues.onApplicationShutdown();
});

const budget = async () => new RetryBudget(queues, await testServersConfig(limits));

const allowed = (waits: number[]) => waits.filter((wait) => wait === 0).length;

describe('RetryBudget', () => {
  it('allows a burst of retries, and gives each further retry a later time of its own', async () => {
    const one = await budget();
    const waits = await Promise.all(Array.from({ length: 17 }, () => one.take('burst')));
    // The next window begins in seven seconds. Five retries in ten seconds are one every two seconds.
    const later = Array.from({ length: 12 }, (_, index) => 7_000 + 2_000 * index);
    expect(waits.toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 0, ...later]);
  });

  it('gives no two retries the same time, even in later windows or on another replica', async () => {
    const [one, two] = [await budget(), await budget()];
    const takes = Array.from({ length: 40 }, (_, n) => (n % 2 ? one : two).take('twice'));
    const times = (await Promise.all(takes)).filter((wait) => wait > 0);
    expect(new Set(times).size).toBe(35);
  });

  it('is shared by all replicas, and grows by one retry for ten first tries', async () => {
    const [one, two] = [await budget(), await budget()];
    for (let n = 0; n < 30; n++) (n % 2 ? one : two).firstTry('shared');
    await Promise.all([one.onModuleDestroy(), two.onModuleDestroy()]); // reports all first tries
    const waits = await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? one : two).take('shared')));
    expect(allowed(waits)).toBe(5 + 3);
  });

  it('counts each integration separately', async () => {
    const one = await budget();
    await Promise.all(Array.from({ length: 10 }, () => one.take('busy')));
    expect(await one.take('idle')).toBe(0);
  });

  it('writes only expiring keys to Redis', async () => {
    const one = await budget();
    one.firstTry('leaves');
    await one.onModuleDestroy();
    await Promise.all(Array.from({ length: 9 }, () => one.take('leaves')));
    const keys = await queues.redis.keys('*retry-budget*leaves*');
    expect(keys).toHaveLength(3);
    for (const key of keys) expect(await queues.redis.pttl(key)).toBeGreaterThan(0);
  });

  it('allows retries while Redis is away', async () => {
    const config = testConfig(limits);
    const away = new Queues(config, new Health(), new Metrics());
    expect(await new RetryBudget(away, config).take('away')).toBe(0);
    await away.onApplicationShutdown();
  });
});
