import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { until, within } from '#libs/testing';
import { Queues } from '#libs/jobs';
import { readyAt } from '../../support/health.js';
import { closedPort } from '../../support/ports.js';
import { DONE_STATE, STEPS, StepUnderTest } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';

jest.setTimeout(240_000);

describe('a flush of Redis between retries', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({
      env: { RETRY_FLOOR_MS: '1000', RETRY_BASE_MS: '1000', RETRY_CAP_MS: '1200' },
    });
  });
  afterAll(() => story.end());

  it('loses no onboarding: the worker finds the due steps, and schedules its jobs again', async () => {
    const all = await Promise.all([...STEPS, ...STEPS].map((step) => StepUnderTest.before(story, step)));
    for (const at of all)
      await at.strike({ status: 503, times: 2 }).submit({ headers: { prefer: 'wait=0' } });
    for (const at of all)
      await until('a retry is scheduled', async () => (await at.eventsOf('retry_scheduled')).length > 0);
    expect(await flush()).toBeGreaterThan(all.length);

    for (const at of all) {
      await at.until(DONE_STATE[at.step]);
      expect(await at.attempts()).toEqual(['unavailable', 'unavailable', 'ok']);
      expect(at.calls).toBe(3);
    }
    await until('the schedules are back', async () => (await scheduled()).length === 9);
    expect(await scheduled()).toEqual([
      'anchor',
      'canary',
      'expire',
      'funnel',
      'probe',
      'reseal',
      'resume-operations',
      'retention',
      'sweep',
    ]);
  });

  /** Deletes only this test's keys, because other tests use the same Redis. */
  async function flush(): Promise<number> {
    const { redis } = story.service.get(Queues);
    const keys = await redis.keys(`${story.env['QUEUE_PREFIX']}:*`);
    return redis.unlink(...keys);
  }

  async function scheduled(): Promise<string[]> {
    const queues = story.service.get(Queues).all();
    const found = await Promise.all(queues.map((queue) => queue.getJobSchedulers()));
    return found
      .flat()
      .map(({ key }) => key)
      .sort();
  }
});

/** While Redis is down, a step must end within this time, although BullMQ waits forever for a connection. */
const HELD_UP_MS = 5_000;

describe('a replica whose Redis is down', () => {
  let story: Story;
  let cutOff: string;
  beforeAll(async () => {
    story = await Story.begin();
    cutOff = (await story.startService({ REDIS_URL: `redis://127.0.0.1:${await closedPort()}` })).url;
  });
  afterAll(() => story.end());

  it('makes first attempts as usual, without a delay', async () => {
    for (const step of STEPS) {
      const at = await StepUnderTest.before(story, step);
      const answer = await within(HELD_UP_MS, at.submit({ at: cutOff }));
      expect(answer.body.state).toBe(DONE_STATE[step]);
    }
  });

  it('cannot queue a retry, so the worker finds the due step in PostgreSQL and retries it', async () => {
    for (const step of STEPS) {
      const at = await StepUnderTest.before(story, step);
      at.strike({ status: 503, times: 2 });
      const answer = await within(HELD_UP_MS, at.submit({ at: cutOff, headers: { prefer: 'wait=0' } }));
      expect(answer.status).toBe(202);
      await at.until(DONE_STATE[step]);
      expect(await at.attempts()).toEqual(['unavailable', 'unavailable', 'ok']);
    }
  });

  it('reports that Redis is down, and still serves requests', async () => {
    expect(await readyAt(cutOff)).toMatchObject({
      status: 200,
      body: { status: 'degraded', checks: { redis: { status: 'down' } } },
    });
  });
});
