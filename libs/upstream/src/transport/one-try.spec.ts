import { describe, expect, it } from '@jest/globals';
import { UpstreamError, type FailureClass } from '../port/upstream-error.js';
import { OneTry } from './one-try.js';

const evidence = (bytesSent: boolean) => ({ bytesSent, headersSeen: false, status: null, durationMs: 1 });

function aTry() {
  const clock = { now: 5_000, nowMs: () => 0, monotonicMs: () => clock.now };
  const oneTry = new OneTry({ timeoutMs: 1_000, beforeSend: () => undefined }, clock);
  return { clock, oneTry };
}

describe('an attempt that consists of several requests', () => {
  it('gives each request the time until the common deadline, and sends none after the deadline', () => {
    const { clock, oneTry } = aTry();
    expect(oneTry.limits(true).timeoutMs).toBe(1_000);
    clock.now += 700;
    expect(oneTry.limits(true).timeoutMs).toBe(300);
    clock.now += 300;
    expect(() => oneTry.limits(true).beforeSend()).toThrow(/no time was left/);
  });

  /**
   * Columns: the requests (`-`: not sent), the failure and `bytesSent` of the last request, and the failure
   * and `bytesSent` of the whole attempt.
   */
  it.each<[string[], FailureClass, boolean, FailureClass, boolean]>([
    [['-'], 'not_sent', false, 'not_sent', false],
    [['effect', '-'], 'not_sent', false, 'unavailable', true],
    [['query', '-'], 'not_sent', false, 'not_sent', false],
    [['effect', 'query', '-'], 'not_sent', false, 'unavailable', true],
    [['effect'], 'throttled', true, 'throttled', true],
    [['query', 'effect'], 'throttled', true, 'throttled', true],
    [['effect', 'effect'], 'throttled', true, 'unavailable', true],
    [['effect', 'query'], 'throttled', true, 'unavailable', true],
    [['effect'], 'not_sent', false, 'unavailable', true],
    [['effect', 'effect'], 'rejected', true, 'rejected', true],
    [['effect', 'query'], 'misconfigured', true, 'misconfigured', true],
    [['effect'], 'no_answer', true, 'no_answer', true],
  ])(
    'derives its failure from the requests %j and the last failure %s',
    async (requests, last, lastSent, failure, bytesSent) => {
      const { clock, oneTry } = aTry();
      const ending = oneTry.run(() => {
        for (const request of requests) {
          const limits = oneTry.limits(request === 'effect');
          if (request !== '-') limits.beforeSend();
        }
        clock.now += 250;
        const options = {
          detail: 'why',
          evidence: evidence(lastSent),
          reason: 'otp_invalid',
          retryAfterMs: 7,
        } as const;
        return Promise.reject(new UpstreamError(last, options));
      });
      await expect(ending).rejects.toMatchObject({
        failure,
        message: 'why',
        reason: 'otp_invalid',
        retryAfterMs: 7,
        evidence: { bytesSent, durationMs: 250 },
      });
    },
  );

  it('throws an unexpected error unchanged', async () => {
    await expect(aTry().oneTry.run(() => Promise.reject(new TypeError('bug')))).rejects.toThrow(TypeError);
  });
});
