import { afterAll, beforeAll, describe, it, jest } from '@jest/globals';
import { until } from '#libs/testing';
import { readyAt } from '../support/health.js';
import { SICKNESSES, startPrivateRedis, type PrivateRedis } from '../support/private-redis.js';
import { endure } from '../support/sick-redis.js';
import { Story } from '../support/story.js';

jest.setTimeout(120_000);

describe('a Redis that answers but cannot be used', () => {
  let redis: PrivateRedis;
  let story: Story;
  let workerUrl: string;
  const times: string[] = [];
  beforeAll(async () => {
    redis = await startPrivateRedis();
    story = await Story.begin({ env: { REDIS_URL: redis.url }, worker: false });
    workerUrl = await (await story.startWorker()).getUrl();
    await until('all is well', async () => (await readyAt(workerUrl)).status === 200);
  });
  afterAll(async () => {
    await story?.end();
    await redis?.stop();
    process.stdout.write(`${times.join('\n')}\n`);
  });

  it.each(SICKNESSES)('is reported, delays no request and loses no retry if it $name', async (sickness) => {
    const { seenMs, retriedMs } = await endure(story, workerUrl, redis, sickness);
    times.push(
      `${sickness.name}: reported after ${Math.round(seenMs)} ms, retried ${Math.round(retriedMs)} ms after`,
    );
  });
});
