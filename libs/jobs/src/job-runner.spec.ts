import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { systemClock } from '#libs/kernel';
import { Metrics } from '#libs/platform';
import { testConfig } from '#libs/testing';
import type { JobHandler, QueueName } from './job-definition.js';
import { JobRunner } from './job-runner.js';
import type { Queues } from './queues.js';

const handlerOf = (queue: string, name: string): JobHandler => ({
  job: { queue: queue as QueueName, name, payload: z.object({}) },
  handle: async () => ({}),
});

const start = (...handlers: JobHandler[]) =>
  new JobRunner({} as Queues, testConfig(), systemClock, new Metrics()).start(handlers);

describe('a worker does not boot', () => {
  it('if a queue has no handler', () => {
    expect(() => start(handlerOf('steps', 'init-otp'), handlerOf('expiry', 'expire'))).toThrow(
      'queue "upkeep" has no handler',
    );
    expect(() => start()).toThrow(/has no handler/);
  });

  it('if a job has two handlers', () => {
    const twice = [handlerOf('steps', 'init-otp'), handlerOf('steps', 'init-otp')];
    expect(() => start(...twice, handlerOf('expiry', 'expire'), handlerOf('upkeep', 'sweep'))).toThrow(
      'job "init-otp" has two handlers',
    );
  });

  it('if a handler is for an unknown queue', () => {
    expect(() => start(handlerOf('letters', 'send'))).toThrow('there is no queue "letters"');
  });
});
