import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { RedisLink } from '#libs/jobs';
import { KeyedHash } from '#libs/platform';
import { testQueuePrefix, testRedisUrl, until } from '#libs/testing';
import { Counter } from './counter.js';

const QUOTA = 3;
const prefix = `${testQueuePrefix()}:counter`;

let link: RedisLink;
const nowhere = RedisLink.impatient('redis://127.0.0.1:1', { name: 'nowhere', prefix });
beforeAll(async () => {
  link = RedisLink.impatient(testRedisUrl(), { name: 'counter-of-the-tests', prefix });
  await until('Redis takes writes', () => link.accepts);
});
afterAll(() => {
  link.disconnect();
  nowhere.disconnect();
});
afterEach(() => void jest.restoreAllMocks());

const hash = new KeyedHash(Buffer.alloc(32, 1));
const aCounter = (of = link) => new Counter({ link: of, hash, prefix, policy: 'spec', quota: QUOTA });
const keyOf = (name: string, policy = 'spec') =>
  `${prefix}:limit:${policy}:${hash.digest('rate limit', name).toString('base64url')}`;

/** @returns the remaining requests after each request, or -1 if the quota was exceeded */
async function add(counter: Counter, key: string, times: number): Promise<number[]> {
  const left: number[] = [];
  for (let n = 0; n < times; n++) {
    const { over, remaining } = await counter.add(key);
    left.push(over ? -1 : remaining);
  }
  return left;
}

describe('a rate limit counter', () => {
  it('is shared by all processes, and separate for each key', async () => {
    const [one, other] = [aCounter(), aCounter()];
    const key = randomUUID();
    expect(await add(one, key, 2)).toEqual([2, 1]);
    expect(await add(other, key, 2)).toEqual([0, -1]);
    expect(await add(one, key, 1)).toEqual([-1]);
    expect(await add(one, randomUUID(), 1)).toEqual([2]);
  });

  it('returns the values for the RateLimit headers', async () => {
    const count = await aCounter().add(randomUUID());
    expect(count).toMatchObject({ policy: 'spec', quota: QUOTA, remaining: 2, over: false });
    expect(count.resetMs).toBeGreaterThan(0);
    expect(count.resetMs).toBeLessThanOrEqual(60_000);
  });

  it('resets when its window ends, and later requests do not delay the reset', async () => {
    const [counter, key] = [aCounter(), randomUUID()];
    await add(counter, key, QUOTA + 1);
    await link.redis.pexpire(keyOf(key), 30_000);
    const { resetMs } = await counter.add(key);
    expect(resetMs).toBeLessThanOrEqual(30_000);
    await link.redis.pexpire(keyOf(key), 0);
    expect(await add(counter, key, 1)).toEqual([2]);
  });

  it('counts all requests that arrive at the same time', async () => {
    const [counter, key] = [aCounter(), randomUUID()];
    const counts = await Promise.all(Array.from({ length: 20 }, () => counter.add(key)));
    expect(counts.filter(({ over }) => !over)).toHaveLength(QUOTA);
  });
});

describe('a counter that reserves requests in Redis (`atOnce`)', () => {
  const shared = (atOnce: number) => new Counter({ link, hash, prefix, policy: 'shared', quota: 10, atOnce });

  it('makes the first reservation without Redis, and adds it there with the next one', async () => {
    const [counter, other, key] = [shared(4), shared(4), randomUUID()];
    const sent = jest.spyOn(link.redis, 'sendCommand');
    expect(await add(counter, key, 4)).toEqual([9, 8, 7, 6]);
    expect(sent).not.toHaveBeenCalled();
    expect(await add(counter, key, 1)).toEqual([5]);
    expect(sent).toHaveBeenCalledTimes(1);
    expect(await add(other, key, 5)).toEqual([9, 8, 7, 6, -1]);
    expect(await add(counter, key, 4)).toEqual([4, 3, 2, -1]);
  });

  it('asks Redis once per reservation, and counts down by one', async () => {
    const [counter, key] = [shared(2), randomUUID()];
    const sent = jest.spyOn(link.redis, 'sendCommand');
    expect(await add(counter, key, 8)).toEqual([9, 8, 7, 6, 5, 4, 3, 2]);
    expect(sent).toHaveBeenCalledTimes(3);
  });

  it('sends all commands of one turn of the event loop in one write', async () => {
    const counter = shared(4);
    const [together, alone] = (['_writev', '_write'] as const).map((each) =>
      jest.spyOn(link.redis.stream, each as never),
    );
    const keys = [randomUUID(), randomUUID(), randomUUID()];
    for (const key of keys) await add(counter, key, 4);
    const counts = await Promise.all(keys.map((key) => counter.add(key)));
    expect(counts.map(({ remaining }) => remaining)).toEqual([5, 5, 5]);
    expect(together).toHaveBeenCalledTimes(1);
    expect(alone).not.toHaveBeenCalled();
  });

  it('admits at most the quota and one first reservation for each other process', async () => {
    const [key, all] = [randomUUID(), [shared(3), shared(3)]];
    const counts = await Promise.all(Array.from({ length: 40 }, (_, n) => all[n % 2]!.add(key)));
    const good = counts.filter(({ over }) => !over).length;
    expect(good).toBeGreaterThan(10 - 3);
    expect(good).toBeLessThanOrEqual(10 + 3);
    for (const each of all) expect(await add(each, key, 2)).toEqual([-1, -1]);
  });

  it('asks Redis for each request if it reserves one at a time', async () => {
    const [counter, key] = [shared(1), randomUUID()];
    const sent = jest.spyOn(link.redis, 'sendCommand');
    expect(await add(counter, key, 2)).toEqual([9, 8]);
    expect(sent).toHaveBeenCalledTimes(2);
  });

  it('does not count an expired first reservation in Redis', async () => {
    const [counter, key] = [shared(5), randomUUID()];
    expect(await add(counter, key, 5)).toEqual([9, 8, 7, 6, 5]);
    jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_001);
    expect(await add(counter, key, 6)).toEqual([9, 8, 7, 6, 5, 4]);
    expect(await link.redis.get(keyOf(key, 'shared'))).toBe('10');
  });

  it('drops the reservation when its window ends', async () => {
    const [counter, key] = [shared(5), randomUUID()];
    expect(await add(counter, key, 6)).toEqual([9, 8, 7, 6, 5, 4]);
    jest.spyOn(performance, 'now').mockReturnValue(performance.now() + 60_001);
    await link.redis.del(keyOf(key, 'shared'));
    expect(await add(counter, key, 1)).toEqual([9]);
  });
});

describe('a counter while Redis is not available', () => {
  it('counts in each process separately', async () => {
    const [one, other] = [aCounter(nowhere), aCounter(nowhere)];
    const key = randomUUID();
    expect(await add(one, key, 4)).toEqual([2, 1, 0, -1]);
    expect(await add(other, key, 1)).toEqual([2]);
  });

  it('sends no command to a Redis that refuses writes', async () => {
    const sent = jest.spyOn(link.redis, 'sendCommand');
    jest.spyOn(link, 'accepts', 'get').mockReturnValue(false);
    expect(await add(aCounter(), randomUUID(), 1)).toEqual([2]);
    expect(sent).not.toHaveBeenCalled();
  });

  it('counts in the process if Redis fails during a window', async () => {
    const [counter, key] = [aCounter(), randomUUID()];
    expect(await add(counter, key, 1)).toEqual([2]);
    // The script fails, because the key in Redis is a list.
    await link.redis.del(keyOf(key));
    await link.redis.lpush(keyOf(key), 'x');
    expect(await add(counter, key, 2)).toEqual([2, 1]);
    await link.redis.del(keyOf(key));
  });
});
