import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { testRedisUrl, until } from '#libs/testing';
import { TcpProxy } from '../../../test/support/tcp-proxy.js';
import { openJobs, type Jobs } from './fixtures/open-jobs.js';
import type { JobHandler, QueueName } from './job-definition.js';

const ENV = { CANARY_EVERY_MS: '300', WORKER_CONCURRENCY: '1' };
const handlerOf = (queue: QueueName, name: string, handle = async () => ({})): JobHandler => ({
  job: { queue, name, payload: z.object({}) },
  handle,
});

let jobs: Jobs;
let letGo: () => void;
/** Resolves when the job that blocks the worker has begun. */
let held: Promise<void>;

function start(): void {
  const holding = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  [letGo, held] = [holding.resolve, begun.promise];
  const hold = handlerOf('upkeep', 'hold', async () => {
    begun.resolve();
    await holding.promise;
    return {};
  });
  jobs.runner.start([
    handlerOf('steps', 'init-otp'),
    handlerOf('expiry', 'expire'),
    handlerOf('operations', 'operate'),
    hold,
    jobs.canary.handler(),
  ]);
}

/** Deletes only this test's keys, because other tests use the same Redis. */
async function forgetAll(): Promise<void> {
  const { redis } = jobs.queues;
  const keys = await redis.keys(`${jobs.prefix.replace(/[{}]/g, '\\$&')}*`);
  if (keys.length > 0) await redis.del(...keys);
}

const worker = async () => (await jobs.health.ready()).checks['worker'];
const live = () => jobs.health.live().catch((error: unknown) => (error as ProblemError).message);

describe('the canary (a scheduled job that proves that jobs run)', () => {
  beforeEach(async () => {
    jobs = await openJobs(undefined, { env: ENV });
  });
  afterEach(async () => {
    letGo?.();
    await jobs.close();
  });

  it('makes the health check “worker” of every process fail until a worker has run it', async () => {
    expect(await worker()).toEqual({ status: 'down', detail: 'no worker has run a job for more than 1 s' });
    start();
    await until('the canary has run', async () => (await worker())!.status === 'up');
    expect(await live()).toEqual({ status: 'ok' });
  });

  it('makes a worker that takes no jobs report that it is not alive', async () => {
    start();
    await until('the canary has run', async () => (await worker())!.status === 'up');
    await jobs.queues.get('upkeep').add('hold', {});
    await held;
    await until('the canary is missed', async () => (await worker())!.status === 'down');
    await until('the worker wants a restart', async () => typeof (await live()) === 'string');
    letGo();
    await until('the canary has run again', async () => (await worker())!.status === 'up');
    expect(await live()).toEqual({ status: 'ok' });
  });

  it('causes no restart after a flush of Redis', async () => {
    await jobs.close();
    jobs = await openJobs(undefined, { env: { ...ENV, CANARY_EVERY_MS: '1000' } });
    start();
    await until('the canary has run', async () => (await worker())!.status === 'up');
    await forgetAll();
    expect(await live()).toEqual({ status: 'ok' });
    await until('the canary has run again', async () => {
      expect(await live()).toEqual({ status: 'ok' });
      return (await worker())!.status === 'up';
    });
  });

  it('causes no restart while its queue is paused: the check reports the pause', async () => {
    start();
    await until('the canary has run', async () => (await worker())!.status === 'up');
    await jobs.queues.get('upkeep').pause();
    await until('the canary is missed', async () => (await worker())!.status === 'down');
    expect((await worker())!.detail).toBe('queue upkeep is paused');
    expect(await live()).toEqual({ status: 'ok' });
    await jobs.queues.get('upkeep').resume();
  });
});

describe('the canary (a scheduled job that proves that jobs run), while Redis is away,', () => {
  it('causes no restart, and leaves a worker time to continue after the outage', async () => {
    const proxy = await TcpProxy.start(testRedisUrl());
    jobs = await openJobs(proxy.url, { wait: true, env: ENV });
    try {
      start();
      await until('the canary has run', async () => (await worker())!.status === 'up');
      await proxy.close();
      await until('Redis is gone', () => !jobs.queues.isReady());
      expect(await live()).toEqual({ status: 'ok' });
      await proxy.open();
      await until('Redis is back', () => jobs.queues.isReady());
      expect(await live()).toEqual({ status: 'ok' });
      await until('the canary has run', async () => (await worker())!.status === 'up');
    } finally {
      letGo();
      await jobs.close();
      await proxy.close();
    }
  });
});
