import { beforeEach, describe, expect, it } from '@jest/globals';
import { CallEnds } from './call-ends.js';
import { FAILURE_CLASSES, UpstreamError, type FailureClass } from './port/upstream-error.js';
import type { CallName } from './port/upstream-provider.js';

let now: number;
let ends: CallEnds;
let access: (number | null | 'accepted')[];
beforeEach(() => {
  now = 1_000;
  access = [];
  ends = new CallEnds(
    { nowMs: () => 0, monotonicMs: () => now },
    { probeGoodForMs: 150_000, retryAfterMaxMs: 120_000 },
  );
  ends.accessChanged = (refused) => access.push(refused ? refused.status : 'accepted');
});

function fail(
  failure: FailureClass,
  more: { status?: number; retryAfterMs?: number } = {},
  call: CallName = 'verify-otp',
): void {
  const evidence = { bytesSent: true, headersSeen: true, status: more.status ?? null, durationMs: 1 };
  ends.failed(call, new UpstreamError(failure, { detail: 'x', evidence, ...more }));
}

/**
 * `trouble`: the name under which the failure counts. `mends`: the call proves that provider and key work.
 */
const MEANS: Record<FailureClass, { trouble: 'verify-otp' | 'access' | null; mends: boolean }> = {
  not_sent: { trouble: 'verify-otp', mends: false },
  throttled: { trouble: 'verify-otp', mends: false },
  unavailable: { trouble: 'verify-otp', mends: false },
  no_answer: { trouble: 'verify-otp', mends: false },
  rejected: { trouble: null, mends: true },
  rejected_unclear: { trouble: null, mends: false },
  misconfigured: { trouble: 'access', mends: false },
};

describe('CallEnds, the record of how calls have ended,', () => {
  it.each(FAILURE_CLASSES)('classifies a call that ends with the failure %s', (failure) => {
    fail(failure);
    const { trouble, mends } = MEANS[failure];
    expect([...ends.unreported().keys()]).toEqual(trouble ? [trouble] : []);
    expect(ends.okAtMs('verify-otp')).toBe(mends ? now : -Infinity);
    expect(ends.okAtMs('access')).toBe(mends ? now : -Infinity);
    expect(ends.refused).toEqual(trouble === 'access' ? { sinceMs: now, status: null } : null);
  });

  it('does not count a call that this process did not send', () => {
    const evidence = { bytesSent: false, headersSeen: false, status: null, durationMs: 1 };
    ends.failed('verify-otp', new UpstreamError('not_sent', { detail: 'x', evidence, heldBack: true }));
    expect([ends.unreported().size, ends.okAtMs('verify-otp')]).toEqual([0, -Infinity]);
  });

  it('counts failures in a row until a call of the same kind succeeds', () => {
    fail('unavailable', { status: 500 });
    now += 10;
    fail('unavailable', { status: 503 });
    ends.succeeded('init-otp');
    expect(ends.unreported().get('verify-otp')).toMatchObject({
      count: 2,
      firstAtMs: 1_000,
      lastAtMs: 1_010,
      status: 503,
    });
    ends.succeeded('verify-otp');
    expect(ends.unreported().size).toBe(0);
  });

  it('keeps failures that happen while an earlier report is being written', () => {
    fail('unavailable');
    const reported = ends.unreported();
    fail('unavailable');
    ends.removeReported(reported);
    expect(ends.unreported().get('verify-otp')!.count).toBe(1);
    ends.removeReported(ends.unreported());
    expect(ends.unreported().size).toBe(0);
  });

  it('reports once that the provider refuses requests, and once that it accepts them again', () => {
    fail('misconfigured', { status: 401 });
    fail('misconfigured', { status: 403 });
    expect(ends.refused).toEqual({ sinceMs: 1_000, status: 403 });
    ends.succeeded('probe');
    ends.succeeded('probe');
    expect(ends.refused).toBeNull();
    expect(access).toEqual([401, 'accepted']);
  });

  it('does not treat a rejected probe as proof that our key works again', () => {
    fail('misconfigured', { status: 401 });
    fail('rejected', { status: 404 }, 'probe');
    expect(ends.refused).toEqual({ sinceMs: now, status: 401 });
    expect([ends.okAtMs('access'), ends.okAtMs('probe')]).toEqual([-Infinity, -Infinity]);
    expect([...ends.unreported().keys()]).toEqual(['access']);
    expect(access).toEqual([401]);
  });

  it.each([
    ['none', {}, 90_000],
    ['ten seconds', { retryAfterMs: 10_000 }, 90_000],
    ['two minutes', { retryAfterMs: 120_000 }, 150_000],
    ['an hour', { retryAfterMs: 3_600_000 }, 150_000],
  ])('limits how long a failure counts, if the provider asks for this wait: %s', (_, more, goodForMs) => {
    fail('throttled', more);
    expect(ends.unreported().get('verify-otp')!.goodForMs).toBe(goodForMs);
  });
});
