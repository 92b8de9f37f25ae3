import { describe, expect, it, jest } from '@jest/globals';
import { ProblemError } from '#libs/kernel';
import { Health, type Finding } from './health.js';

function healthOf(...checks: [name: string, vital: boolean, check: () => Promise<Finding>][]): Health {
  const health = new Health();
  for (const [name, vital, check] of checks) health.register({ name, vital, check });
  return health;
}

const up = async (): Promise<Finding> => ({ status: 'up' });
const down = async (): Promise<Finding> => ({ status: 'down', detail: 'on holiday' });
const refused = (health: Health) =>
  health.ready().then(
    () => null,
    (error: unknown) => error as ProblemError,
  );

describe('Health', () => {
  it('is ready if all parts are up, or if no part is registered', async () => {
    expect(await healthOf().ready()).toEqual({ status: 'ok', checks: {} });
    expect(await healthOf(['a', true, up], ['b', false, up]).ready()).toMatchObject({ status: 'ok' });
  });

  it('is degraded but ready while a part that is not vital is down', async () => {
    expect(await healthOf(['postgresql', true, up], ['redis', false, down]).ready()).toEqual({
      status: 'degraded',
      checks: { postgresql: { status: 'up' }, redis: { status: 'down', detail: 'on holiday' } },
    });
  });

  it('is not ready while a vital part is down, and reports the result of all checks', async () => {
    expect(await refused(healthOf(['redis', false, down], ['postgresql', true, down]))).toMatchObject({
      code: 'not_ready',
      status: 503,
      retryAfterS: 2,
      message: 'postgresql: on holiday',
      extensions: { checks: { redis: { status: 'down' }, postgresql: { status: 'down' } } },
    });
  });

  it('gives metrics the value 1 for each check that is up, and 0 for each that is down', async () => {
    const health = healthOf(['redis', false, down], ['postgresql', true, up]);
    expect(await health.gauges()).toEqual({ postgresql: 1, redis: 0 });
  });

  it('reports a part as down if its check throws, and shows only the error code', async () => {
    const error = Object.assign(new Error('password "hunter2" refused'), { code: '28P01' });
    const refusal = await refused(healthOf(['postgresql', true, () => Promise.reject(error)]));
    expect(refusal!.extensions).toEqual({ checks: { postgresql: { status: 'down', detail: '28P01' } } });
    expect(JSON.stringify([refusal!.message, refusal!.extensions])).not.toContain('hunter2');
  });

  it('waits at most two seconds for a check', async () => {
    jest.useFakeTimers();
    try {
      const ready = healthOf(['redis', false, () => new Promise(() => undefined)]).ready();
      await jest.advanceTimersByTimeAsync(2_000);
      expect(await ready).toMatchObject({ checks: { redis: { status: 'down', detail: 'no answer' } } });
    } finally {
      jest.useRealTimers();
    }
  });

  it('is not ready while the process stops, even if all parts are up', async () => {
    const health = healthOf(['postgresql', true, up]);
    health.drain();
    expect(health.draining).toBe(true);
    expect(await refused(health)).toMatchObject({ code: 'not_ready', message: 'The service is stopping.' });
  });
});
