import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { until } from '#libs/testing';
import { liveAt, readyAt } from '../../support/health.js';
import { READ_ONLY, startPrivateRedis, type PrivateRedis } from '../../support/private-redis.js';
import { endure, untilSaid } from '../../support/sick-redis.js';
import { Story } from '../../support/story.js';

jest.setTimeout(240_000);

const CANARY_EVERY_MS = 500;
/** A worker whose writes Redis refuses for this time asks for a restart. */
const GRACE_MS = 4 * CANARY_EVERY_MS;

describe('a Redis that has become a read-only replica while connections were open', () => {
  let redis: PrivateRedis;
  let story: Story;
  let workerUrl: string;
  const startWorker = async () => (await story.startWorker()).getUrl();
  beforeAll(async () => {
    redis = await startPrivateRedis();
    story = await Story.begin({
      env: {
        REDIS_URL: redis.url,
        RATE_LIMIT_CALLER_PER_MINUTE: '500',
        CANARY_EVERY_MS: String(CANARY_EVERY_MS),
      },
      worker: false,
    });
    workerUrl = await startWorker();
    await until('all is well', async () => (await readyAt(workerUrl)).status === 200);
  });
  afterAll(async () => {
    await story?.end();
    await redis?.stop();
  });

  it('is reported by service and worker, delays no request, and loses no retry', async () => {
    await endure(story, workerUrl, redis, READ_ONLY);
  });

  it('holds no keys that the health check has written', async () => {
    expect(await redis.admin.keys('*writable*')).toEqual([]);
  });

  it('gets few commands and few connections', async () => {
    const asked = async () =>
      Number(/^total_commands_processed:(\d+)/m.exec(await redis.admin.info('stats'))![1]);
    const connected = async () =>
      Number(/^total_connections_received:(\d+)/m.exec(await redis.admin.info('stats'))![1]);
    // With waiting jobs, the worker asks Redis for the next job without a pause.
    const steps = `${story.env['QUEUE_PREFIX']}:steps`;
    await redis.admin.hset(`${steps}:meta`, 'paused', '1');
    await Promise.all(Array.from({ length: 50 }, (_, n) => redis.admin.lpush(`${steps}:wait`, `gone-${n}`)));
    await redis.admin.hdel(`${steps}:meta`, 'paused');
    await READ_ONLY.strike(redis);
    try {
      await untilSaid(workerUrl, READ_ONLY.says);
      const [from, commands, connections] = [performance.now(), await asked(), await connected()];
      await until('three seconds have passed', () => performance.now() - from > 3_000);
      expect((await asked()) - commands).toBeLessThan(500);
      expect((await connected()) - connections).toBeLessThan(40);
    } finally {
      await READ_ONLY.mend(redis);
    }
  });

  it('makes the worker ask for a restart only once, even if the restart does not help', async () => {
    await until('the worker is well', async () => (await liveAt(workerUrl)) === 200);
    await READ_ONLY.strike(redis);
    try {
      await untilSaid(workerUrl, READ_ONLY.says);
      expect(await liveAt(workerUrl)).toBe(200);
      await until('a restart is asked for', async () => (await liveAt(workerUrl)) === 503);
      const next = await startWorker();
      await untilSaid(next, READ_ONLY.says);
      const from = performance.now();
      await until('the grace is over, and again', async () => {
        expect(await liveAt(next)).toBe(200);
        return performance.now() - from > 2 * GRACE_MS;
      });
    } finally {
      await READ_ONLY.mend(redis);
    }
    await until('the first one no longer needs a restart', async () => (await liveAt(workerUrl)) === 200);
  });

  it('makes each process count the requests of callers for itself', async () => {
    await READ_ONLY.strike(redis);
    try {
      const { url } = await story.startService({ RATE_LIMIT_CALLER_PER_MINUTE: '3' });
      await untilSaid(url, READ_ONLY.says);
      const read = () => story.call('GET', '/v1/onboardings', undefined, {}, url);
      for (let n = 0; n < 3; n++) expect((await read()).status).toBe(200);
      expect((await read()).status).toBe(429);
    } finally {
      await READ_ONLY.mend(redis);
    }
  });
});
