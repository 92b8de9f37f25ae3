import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Worker, type Job } from 'bullmq';
import { z } from 'zod';
import { testRedisUrl, until, within } from '#libs/testing';
import { TcpProxy } from '../../../test/support/tcp-proxy.js';
import { openJobs, type Jobs } from './fixtures/open-jobs.js';
import { QUEUE_NAMES, type JobDefinition } from './job-definition.js';

const step: JobDefinition<{ n: number }> = {
  queue: 'steps',
  name: 'init-otp',
  payload: z.strictObject({ n: z.int() }),
};

/**
 * Longer than the 200 ms that the producer waits for Redis, but shorter than the timeouts of a connection.
 */
const SOON_MS = 1_000;

describe('the job producer with a reachable Redis', () => {
  let jobs: Jobs;
  beforeAll(async () => {
    jobs = await openJobs();
  });
  afterAll(() => jobs.close());

  it('adds a job to its queue, with its delay', async () => {
    expect(await jobs.producer.add(step, { n: 1 }, { id: 'a_1', delayMs: 60_000.4 })).toBe(true);
    const job = (await jobs.queues.get('steps').getJob('a_1'))!;
    expect(job).toMatchObject({ name: 'init-otp', data: { n: 1 }, delay: 60_001 });
    expect(await job.getState()).toBe('delayed');
  });

  it('ignores a second job with the same id', async () => {
    expect(await jobs.producer.add(step, { n: 2 }, { id: 'a_2' })).toBe(true);
    expect(await jobs.producer.add(step, { n: 3 }, { id: 'a_2' })).toBe(true);
    expect((await jobs.queues.get('steps').getJob('a_2'))!.data).toEqual({ n: 2 });
    const before = await jobs.queues.get('steps').count();
    await Promise.all([jobs.producer.add(step, { n: 4 }), jobs.producer.add(step, { n: 4 })]);
    expect(await jobs.queues.get('steps').count()).toBe(before + 2);
  });

  it('treats a negative delay as no delay', async () => {
    await jobs.producer.add(step, { n: 5 }, { id: 'a_5', delayMs: -10 });
    expect(await (await jobs.queues.get('steps').getJob('a_5'))!.getState()).toBe('waiting');
  });

  describe('a wake-up of a step', () => {
    const queue = () => jobs.queues.get('steps');
    const toCome = async (id: string) =>
      (await queue().getJobs(['waiting', 'delayed', 'prioritized'])).filter((job) => job.id!.startsWith(id));
    const taken = async (id: string) => {
      const worker = new Worker('steps', null, { connection: { url: testRedisUrl() }, prefix: jobs.prefix });
      // The queue also holds earlier jobs of this file.
      const others: Job[] = [];
      for (;;) {
        const job = (await worker.getNextJob('token', { block: false }))!;
        if (job.id !== id) {
          others.push(job);
          continue;
        }
        for (const other of others) await other.moveToCompleted({}, 'token', false);
        return { job, close: () => worker.close() };
      }
    };

    /** Waits up to 10 s, because the machine may be busy. */
    const wake = (id: string) => jobs.producer.wake(step, { n: 1 }, id, 10_000);

    it('adds one job, and no second job while the first one waits', async () => {
      const woken = await Promise.all([0, 1, 2].map(() => wake('w_1')));
      expect(woken).toContain('queued');
      for (let n = 0; n < 5; n++) expect(await wake('w_1')).toBe('waits');
      expect(await toCome('w_1')).toHaveLength(1);
    });

    it('lets a delayed job of the step run now, instead of adding another job', async () => {
      await jobs.producer.add(step, { n: 1 }, { id: 'w_2', delayMs: 3_600_000 });
      expect(await wake('w_2')).toBe('queued');
      expect(await wake('w_2')).toBe('waits');
      expect((await toCome('w_2')).map(({ id }) => id)).toEqual(['w_2']);
      expect(await queue().getJobState('w_2')).toBe('waiting');
    });

    it('adds a job even if Redis still has a finished job with the same id', async () => {
      await jobs.producer.add(step, { n: 1 }, { id: 'w_3' });
      for (const id of ['w_3', 'w_3_wake1', 'w_3_wake1']) {
        const { job, close } = await taken(id);
        await job.moveToCompleted({}, 'token', false);
        await close();
        expect(await wake('w_3')).toBe('queued');
        expect(await toCome('w_3')).toHaveLength(1);
      }
    });

    it('adds a job even if the step has active jobs, because their workers may be gone', async () => {
      await jobs.producer.add(step, { n: 1 }, { id: 'w_4' });
      const first = await taken('w_4');
      expect(await wake('w_4')).toBe('queued');
      const second = await taken('w_4_wake1');
      expect(await wake('w_4')).toBe('queued');
      expect((await toCome('w_4')).map(({ id }) => id)).toEqual(['w_4_wake2']);
      for (const { close } of [first, second]) await close();
    });
  });

  it('keeps at most a thousand finished jobs for a day, and does not repeat failed jobs', () => {
    for (const name of QUEUE_NAMES) {
      expect(jobs.queues.get(name).defaultJobOptions).toMatchObject({
        attempts: 1,
        removeOnComplete: { age: 86_400, count: 1_000 },
        removeOnFail: { age: 86_400, count: 1_000 },
      });
    }
    expect(() => jobs.queues.get('letters' as never)).toThrow('there is no queue "letters"');
  });

  it('reports that Redis is healthy', async () => {
    expect((await jobs.health.ready()).checks).toMatchObject({ redis: { status: 'up' } });
  });
});

describe('the job producer, if Redis fails,', () => {
  const closers: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });

  const addSoon = (jobs: Jobs) => within(SOON_MS, jobs.producer.add(step, { n: 1 }));

  async function listening(behave: (socket: Socket) => void): Promise<string> {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      behave(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => {
      sockets.forEach((socket) => socket.destroy());
      server.close();
    });
    return `redis://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  it.each([
    ['no server listens', async () => 'redis://127.0.0.1:1'],
    ['connections are cut', () => listening((socket) => socket.destroy())],
    ['no command is answered', () => listening((socket) => socket.resume())],
  ])('returns soon and does not throw if %s', async (_, url) => {
    const jobs = await openJobs(await url());
    closers.push(() => jobs.close());
    expect(await addSoon(jobs)).toBe(false);
    const { status } = await jobs.health.ready();
    expect(status).toBe('degraded');
  });

  it('stops waiting soon if Redis stops answering, and adds jobs again later', async () => {
    const redis = await TcpProxy.start(testRedisUrl());
    closers.push(() => redis.close());
    const jobs = await openJobs(redis.url);
    closers.push(() => jobs.close());
    await until('it is there', () => jobs.queues.isReady());
    expect(await jobs.producer.add(step, { n: 1 })).toBe(true);
    redis.stall();
    expect(await addSoon(jobs)).toBe(false);
    redis.stall(false);
    await until('it is taken again', () => jobs.producer.add(step, { n: 1 }));
  });

  it('adds jobs again once Redis is back', async () => {
    const redis = await TcpProxy.start(testRedisUrl());
    closers.push(() => redis.close());
    const jobs = await openJobs(redis.url);
    closers.push(() => jobs.close());
    await until('it is there', () => jobs.queues.isReady());
    await redis.close();
    await until('it is seen to be away', () => !jobs.queues.isReady());
    expect(await jobs.producer.add(step, { n: 1 })).toBe(false);
    await redis.open();
    await until('it is back', () => jobs.producer.add(step, { n: 1 }));
  });

  it('adds jobs even if Redis cuts its first connection', async () => {
    // ioredis sends INFO when it connects. BullMQ's own check of the version would not run again after the
    // cut, so `Queues` skips this check.
    const redis = await TcpProxy.start(testRedisUrl());
    redis.intercept(/\r\ninfo\r\n/i, ({ cut }) => cut());
    const jobs = await openJobs(redis.url, { wait: true });
    closers.push(
      () => redis.close(),
      () => jobs.close(),
    );
    await until('a job is taken', () => jobs.producer.add(step, { n: 1 }));
  });

  it('adds jobs as soon as Redis appears, even if the process has started earlier', async () => {
    const redis = await TcpProxy.start(testRedisUrl());
    await redis.close();
    const jobs = await openJobs(redis.url, { wait: false });
    closers.push(
      () => redis.close(),
      () => jobs.close(),
    );
    expect(await jobs.producer.add(step, { n: 1 })).toBe(false);
    await redis.open();
    await until('it is there', () => jobs.producer.add(step, { n: 1 }));
  });
});
