import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { until } from '#libs/testing';
import { openJobs, type Jobs } from './fixtures/open-jobs.js';
import { QUEUE_NAMES, type JobHandler } from './job-definition.js';

const handlers = (): JobHandler[] =>
  QUEUE_NAMES.map((queue) => ({
    job: { queue, name: `of-${queue}`, payload: z.object({}) },
    handle: async () => ({}),
  }));

let jobs: Jobs;
beforeEach(async () => {
  jobs = await openJobs();
});
afterEach(() => jobs.close());

const check = async (name: string) => (await jobs.health.ready()).checks[name]!;
const metrics = () => jobs.metrics.registry.metrics();

describe('each queue', () => {
  it('has a check of its own, which is up while no job waits too long', async () => {
    jobs.runner.start(handlers());
    await jobs.queues.get('steps').add('of-steps', {});
    await until('its job has ended', async () => /last finished/.test((await check('queue steps')).detail!));
    for (const name of QUEUE_NAMES) expect((await check(`queue ${name}`)).status).toBe('up');
    expect(await metrics()).toMatch(/^gangway_queue_last_finished_seconds\{queue="steps"\} [\d.]+$/m);
  });

  it('has a check that is down while the queue is paused, and shows since when', async () => {
    const queue = jobs.queues.get('expiry');
    const from = Math.floor(Date.now() / 1_000) * 1_000;
    await queue.pause();
    await queue.add('of-expiry', {});
    const { detail } = await until('it is seen', async () => {
      const found = await check('queue expiry');
      return found.status === 'down' && /1 waiting/.test(found.detail!) && found;
    });
    const [, since] = /^paused since (\S+), its jobs are not run; 1 waiting/.exec(detail!)!;
    expect(Date.parse(since!)).toBeGreaterThanOrEqual(from);
    expect((await check('queue steps')).status).toBe('up');
    expect((await jobs.health.ready()).status).toBe('degraded');
    expect(await metrics()).toMatch(/^gangway_queue_paused\{queue="expiry"\} 1$/m);
    expect(await metrics()).toMatch(/^gangway_queue_jobs\{queue="expiry",state="waiting"\} 1$/m);

    await queue.resume();
    await until('it is up', async () => (await check('queue expiry')).status === 'up');
  });

  it('has a check that is down if no worker takes a due job', async () => {
    const queue = jobs.queues.get('steps');
    await queue.add('of-steps', {}, { timestamp: Date.now() - 3_000_000 });
    const { detail } = await until('it is seen', async () => {
      const found = await check('queue steps');
      return found.status === 'down' && found;
    });
    expect(detail).toMatch(/^1 waiting, the oldest for 30\d\d s; none finished yet$/);
    // A delayed retry that has been due for 2000 s.
    await queue.drain();
    await queue.add('of-steps', {}, { timestamp: Date.now() - 3_000_000, delay: 1_000_000 });
    await until('it is seen', async () =>
      /the oldest for 20\d\d s/.test((await check('queue steps')).detail!),
    );
  });

  it('has a check that counts the age of a delayed retry from its due time', async () => {
    await jobs.queues.get('steps').add('of-steps', {}, { timestamp: Date.now() - 600_000, delay: 599_000 });
    await until('it is seen', async () =>
      /the oldest for [1-9]\d? s/.test((await check('queue steps')).detail!),
    );
    jobs.runner.start(handlers());
    await until('it was run', async () => /last finished/.test((await check('queue steps')).detail!));
  });
});
