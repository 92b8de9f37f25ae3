import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { z } from 'zod';
import { testRedisUrl, until, within } from '#libs/testing';
import { TcpProxy } from '../../../test/support/tcp-proxy.js';
import { openJobs, type Jobs } from './fixtures/open-jobs.js';
import { EndedBadly, TooEarly, type JobDefinition, type JobHandler } from './job-definition.js';

const step: JobDefinition<{ n: number }> = {
  queue: 'steps',
  name: 'init-otp',
  payload: z.strictObject({ n: z.int() }),
};
const sweep: JobDefinition<unknown> = { queue: 'upkeep', name: 'sweep', payload: z.object({}) };
const operate: JobDefinition<unknown> = { queue: 'operations', name: 'operate', payload: z.object({}) };
const EVERY_MS = 60;

/** What the step's handler does, by the payload's `n`. */
const script = new Map<number, () => unknown>();
const handled: { n: number; atMs: number }[] = [];
let ticks = 0;

const handlers = (): JobHandler[] => [
  {
    job: step as JobDefinition<unknown>,
    handle: async (payload) => {
      const { n } = payload as { n: number };
      handled.push({ n, atMs: performance.now() });
      return { made: (await script.get(n)?.()) ?? n };
    },
  },
  {
    job: { queue: 'expiry', name: 'expire', payload: z.object({}) },
    everyMs: EVERY_MS,
    handle: async () => ({ ticks: ++ticks }),
  },
  { job: sweep, handle: async () => ({}) },
  { job: operate, handle: async () => ({}) },
];

async function failed(jobs: Jobs, queue: string): Promise<Record<string, number>> {
  const { values } = await jobs.metrics.counter('gangway_jobs_failed_total').get();
  const ofQueue = values.filter(({ labels }) => labels.queue === queue);
  return Object.fromEntries(ofQueue.map(({ labels, value }) => [labels.job_name, value]));
}

const runsOf = (n: number) => handled.filter((run) => run.n === n);

/** Makes the handler of this payload wait until the returned function is called. */
function hold(n: number): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  script.set(n, () => promise);
  return resolve;
}

async function periods(count: number): Promise<void> {
  const from = performance.now();
  await until('some periods have passed', () => performance.now() - from > count * EVERY_MS);
}

describe('the job runner, with a reachable Redis,', () => {
  let jobs: Jobs;
  beforeAll(async () => {
    jobs = await openJobs();
    jobs.runner.start(handlers());
  });
  afterAll(() => jobs.close());

  const steps = () => jobs.queues.get('steps');
  const ended = (id: string) =>
    until(`job ${id} has ended`, async () => {
      const job = await steps().getJob(id);
      return job?.finishedOn ? job : null;
    });

  it('counts the failed jobs of each queue and job name, from 0', async () => {
    expect(await failed(jobs, 'steps')).toEqual({ 'init-otp': 0, unknown: 0 });
    expect(await failed(jobs, 'upkeep')).toEqual({ sweep: 0, unknown: 0 });
  });

  it('runs a job once and keeps its result', async () => {
    await jobs.producer.add(step, { n: 1 }, { id: 'one' });
    const job = await ended('one');
    expect(await job.getState()).toBe('completed');
    expect(job.returnvalue).toEqual({ made: 1 });
    expect(runsOf(1)).toHaveLength(1);
  });

  it('uses one connection per queue to wait for jobs', async () => {
    const list = String(await jobs.queues.redis.client('LIST'));
    const names = [...list.matchAll(/ name=(\S*)/g)].map(([, name]) => name!);
    expect(names.filter((name) => name.startsWith(jobs.prefix))).toHaveLength(jobs.queues.all().length);
  });

  it('delays a job that runs too early, and runs it again when it is due', async () => {
    let early = true;
    script.set(2, () => {
      if (!early) return 'in time';
      early = false;
      throw new TooEarly(150);
    });
    await jobs.producer.add(step, { n: 2 }, { id: 'early' });
    expect((await ended('early')).returnvalue).toEqual({ made: 'in time' });
    const [first, second] = runsOf(2);
    // BullMQ's timers count whole milliseconds, so the delay may be 2 ms shorter.
    expect(second!.atMs - first!.atMs).toBeGreaterThanOrEqual(148);
  });

  it.each([
    ['has failed permanently', 3, new EndedBadly('otp_locked: no tries left'), 'otp_locked: no tries left'],
    ['met an internal error', 4, new TypeError('a bug'), 'a bug'],
  ])('shows a job as failed and does not repeat it, if the job %s', async (_, n, error, reason) => {
    script.set(n, () => {
      throw error;
    });
    const before = (await failed(jobs, 'steps'))['init-otp']!;
    await jobs.producer.add(step, { n }, { id: `bad-${n}` });
    const job = await ended(`bad-${n}`);
    await until('it is counted', async () => (await failed(jobs, 'steps'))['init-otp'] === before + 1);
    expect(await job.getState()).toBe('failed');
    expect(job.failedReason).toBe(reason);
    expect(runsOf(n)).toHaveLength(1);
  });

  it('refuses a payload that does not fit the job', async () => {
    await steps().add('init-otp', { n: 'five', code: '123456' }, { jobId: 'junk' });
    const job = await ended('junk');
    expect(await job.getState()).toBe('failed');
    expect(job.failedReason).toMatch(/invalid_type/);
    expect(handled.some(({ n }) => typeof n !== 'number')).toBe(false);
  });

  it('fails a job without a handler, and says why', async () => {
    await steps().add('of-the-past', {}, { jobId: 'unknown' });
    expect((await ended('unknown')).failedReason).toMatch(/no handler for job "of-the-past"/);
    await until('it is counted', async () => (await failed(jobs, 'steps'))['unknown'] === 1);
  });

  it('writes a schedule again after Redis has lost everything', async () => {
    await until('the schedule runs', () => ticks >= 2);
    expect(await jobs.queues.get('expiry').getJobSchedulersCount()).toBe(1);
    const [completed] = await until('a run is kept', async () => {
      const kept = await jobs.queues.get('expiry').getCompleted();
      return kept.length > 0 && kept;
    });
    expect(completed!.returnvalue).toEqual({ ticks: expect.any(Number) });

    const prefix = jobs.queues.get('expiry').opts.prefix!;
    const keys = await jobs.queues.redis.keys(`${prefix}:expiry:*`);
    expect(keys.length).toBeGreaterThan(0);
    await jobs.queues.redis.del(...keys);
    await until(
      'the schedule is written again',
      async () => (await jobs.queues.get('expiry').getJobSchedulersCount()) === 1,
      10_000,
    );
    const before = ticks;
    await until('the schedule runs again', () => ticks >= before + 2);
  });
});

describe('a schedule whose job BullMQ does not run', () => {
  let jobs: Jobs;
  beforeEach(async () => {
    jobs = await openJobs(undefined, { env: { WORKER_CONCURRENCY: '1' } });
  });
  afterEach(() => jobs.close());

  const expiry = () => jobs.queues.get('expiry');
  const runs = () => until('the schedule runs', async () => (await expiry().getCompletedCount()) > 0);
  const followed = () =>
    until('the schedule is BullMQ’s', async () => {
      const [run] = await expiry().getCompleted(0, 0);
      return (run?.returnvalue as { ticks: number } | undefined)?.ticks === ticks;
    });

  it('is run by a timer of the job runner while the queue is paused, and later by BullMQ again', async () => {
    jobs.runner.start(handlers());
    await runs();
    await expiry().pause();
    const before = ticks;
    await until('it ticks by itself', () => ticks >= before + 10);
    const { waiting, delayed } = await expiry().getJobCounts('waiting', 'delayed');
    expect(waiting! + delayed!).toBeLessThanOrEqual(2);
    await expiry().resume();
    await followed();
  });

  it('is run by a timer of the job runner while the queue’s worker is stuck', async () => {
    const { promise, resolve: letGo } = Promise.withResolvers<void>();
    const stuck: JobHandler = {
      job: { queue: 'expiry', name: 'stuck', payload: z.object({}) },
      handle: () => promise.then(() => ({})),
    };
    jobs.runner.start([...handlers(), stuck]);
    await runs();
    await expiry().add('stuck', {});
    await until(
      'it is stuck',
      async () => (await expiry().getActiveCount()) === 1 && (await active()) === 'stuck',
    );
    const before = ticks;
    await until('it ticks by itself', () => ticks >= before + 5);
    letGo();
    await followed();
  });

  const active = async () => (await expiry().getActive())[0]?.name;

  it('is written again after an operator has removed its next job', async () => {
    jobs.runner.start(handlers());
    await runs();
    await expiry().pause();
    const { next } = (await expiry().getJobScheduler('expire'))!;
    const key = `${jobs.prefix}:expiry:repeat:expire:${next}`;
    await jobs.queues.redis
      .multi()
      .del(key)
      .del(`${jobs.prefix}:expiry:wait`, `${jobs.prefix}:expiry:delayed`)
      .exec();
    await expiry().resume();
    await followed();
  });
});

describe('the job runner, with a Redis that refuses writes,', () => {
  it('runs schedules by a timer of its own', async () => {
    const jobs = await openJobs();
    jest.spyOn(jobs.queues.get('expiry'), 'getJobScheduler').mockRejectedValue(new Error('OOM'));
    try {
      const before = ticks;
      jobs.runner.start(handlers());
      await until('it ticks by itself', () => ticks >= before + 3);
    } finally {
      await jobs.close();
    }
  });
});

describe('the job runner, with Redis away,', () => {
  it('counts the failed runs of scheduled jobs', async () => {
    const jobs = await openJobs('redis://127.0.0.1:1');
    try {
      const fails = jest.fn<() => Promise<never>>().mockRejectedValue(new Error('out of order'));
      jobs.runner.start([
        { job: sweep, everyMs: EVERY_MS, handle: fails },
        ...handlers().filter(({ job }) => job !== sweep),
      ]);
      await until('it has failed', async () => (await failed(jobs, 'upkeep'))['sweep']! >= 2);
      expect(fails.mock.calls.length).toBeGreaterThanOrEqual(2);
    } finally {
      await jobs.close();
    }
  });

  it('runs schedules by a timer of its own, and still stops immediately', async () => {
    const jobs = await openJobs('redis://127.0.0.1:1');
    const before = ticks;
    jobs.runner.start(handlers());
    await until('it ticks by itself', () => ticks >= before + 3);
    await jobs.close();
    const stopped = ticks;
    await periods(5);
    expect(ticks).toBe(stopped);
  });

  it('runs schedules by a timer of its own, and takes jobs again after the outage', async () => {
    const redis = await TcpProxy.start(testRedisUrl());
    const jobs = await openJobs(redis.url);
    try {
      await until('Redis is there', () => jobs.queues.isReady());
      jobs.runner.start(handlers());
      await until(
        'a run of the schedule is kept',
        async () => (await jobs.queues.get('expiry').getCompletedCount()) > 0,
      );
      await redis.close();
      await until('it is seen to be away', () => !jobs.queues.isReady());
      const gone = ticks;
      await until('it ticks by itself', () => ticks >= gone + 3);
      await redis.open();
      await until('a job is taken', () => jobs.producer.add(step, { n: 100 }));
      await until('and run', () => runsOf(100).length > 0);
    } finally {
      await jobs.close();
      await redis.close();
    }
  });
});

describe('the job runner, with a Redis that hangs and keeps connections open,', () => {
  let redis: TcpProxy;
  let jobs: Jobs;
  beforeEach(async () => {
    redis = await TcpProxy.start(testRedisUrl());
    jobs = await openJobs(redis.url, { wait: true });
    jobs.runner.start(handlers());
    await until('the schedule runs', async () => (await jobs.queues.get('expiry').getCompletedCount()) > 0);
  });
  afterEach(async () => {
    redis.stall(false);
    await jobs.close();
    await redis.close();
  });

  it('runs schedules by a timer of its own, queues few commands, and takes jobs again later', async () => {
    redis.stall();
    let mostWaiting = 0;
    const adding = () => {
      void jobs.producer.add(step, { n: 299 });
      mostWaiting = Math.max(mostWaiting, jobs.queues.redis.commandQueue.length);
    };
    const adds = setInterval(adding, 10);
    try {
      await until('it is seen to hang', () => !jobs.queues.isReady());
      for (let round = 0; round < 3; round += 1) {
        const before = ticks;
        // The runner checks its schedules only every 5 s. Ten runs of only these checks would take 50 s.
        await until('it ticks by itself', () => ticks >= before + 10, 200 * EVERY_MS);
      }
    } finally {
      clearInterval(adds);
    }
    expect(jobs.queues.redis.commandQueue.length).toBeLessThan(10);
    expect(mostWaiting).toBeLessThan(500);

    redis.stall(false);
    await until('a job is taken', () => jobs.producer.add(step, { n: 300 }));
    await until('and run', () => runsOf(300).length > 0);
    await until('the schedule is BullMQ’s again', async () => {
      const [run] = await jobs.queues.get('expiry').getCompleted(0, 0);
      return (run?.returnvalue as { ticks: number } | undefined)?.ticks === ticks;
    });
  });

  it('connects again after its open connections have become silent', async () => {
    redis.stallOpenConnections();
    await until('a job is taken', () => jobs.producer.add(step, { n: 301 }));
    await until('and run', () => runsOf(301).length > 0);
  });

  it('stops, even if Redis hangs while a job runs', async () => {
    const letGo = hold(302);
    await jobs.producer.add(step, { n: 302 });
    await until('the job runs', () => runsOf(302).length === 1);
    redis.stall();
    letGo();
    await within(8_000, jobs.close());
  });
});

describe('a job runner that stops', () => {
  it('takes no more jobs, and lets the running job end', async () => {
    const jobs = await openJobs();
    const letGo = hold(400);
    try {
      jobs.runner.start(handlers());
      await jobs.producer.add(step, { n: 400 }, { id: 'running' });
      await until('the job runs', () => runsOf(400).length === 1);

      jobs.runner.onModuleDestroy();
      await periods(5); // a job that was already being fetched still runs
      await jobs.producer.add(step, { n: 401 }, { id: 'late' });
      await jobs.producer.add(sweep, {}, { id: 'late' });
      const ticked = ticks;
      await periods(5);
      expect(runsOf(401)).toEqual([]);
      expect(ticks).toBe(ticked);

      letGo();
      await jobs.runner.beforeApplicationShutdown();
      const steps = jobs.queues.get('steps');
      expect(await (await steps.getJob('running'))!.getState()).toBe('completed');
      for (const queue of [steps, jobs.queues.get('upkeep')])
        expect(await (await queue.getJob('late'))!.getState()).toBe('waiting');
    } finally {
      letGo();
      await jobs.close();
    }
  });
});
