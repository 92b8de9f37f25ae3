import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '#libs/kernel';
import { aCall, until } from '#libs/testing';
import { GuardedProvider } from './guarded-provider.js';
import { UpstreamError, type FailureClass } from './port/upstream-error.js';
import type { SentOtp, UpstreamProvider } from './port/upstream-provider.js';

const call = aCall();
const evidence = { bytesSent: true, headersSeen: true, status: 500, durationMs: 1 };
const failing = (failure: FailureClass) => new UpstreamError(failure, { detail: failure, evidence });

let guarded: GuardedProvider;
afterEach(() => guarded.shutdown());

/** A client whose `init-otp` calls end as `ends` does, behind a breaker that stays open for 20 ms. */
function guard(ends: () => Promise<SentOtp>) {
  let calls = 0;
  const upstream = { down: false };
  const provider = {
    kind: 'byzantine',
    initOtp: () => {
      calls += 1;
      return ends();
    },
    probe: async () => {
      if (upstream.down) throw failing('no_answer');
    },
  } as unknown as UpstreamProvider;
  guarded = new GuardedProvider(
    provider,
    {
      BREAKER_CALLS: 20,
      BREAKER_WINDOW_MS: 10_000,
      BREAKER_OPEN_MS: 20,
      CALL_TIMEOUT_MS: 10_000,
      PROBE_EVERY_MS: 60_000,
      RETRY_AFTER_MAX_MS: 120_000,
      RETRY_CAP_MS: 50,
    },
    systemClock,
  );
  const end = async () => {
    try {
      await guarded.initOtp(call, {}, {});
      return 'ok';
    } catch (error) {
      return (error as UpstreamError).failure;
    }
  };
  return { end, calls: () => calls, upstream };
}

async function times(count: number, end: () => Promise<string>): Promise<string[]> {
  const ends: string[] = [];
  for (let n = 0; n < count; n++) ends.push(await end());
  return ends;
}

const opened = () => guarded.state === 'half_open';

describe('GuardedProvider, a provider behind a circuit breaker,', () => {
  it.each(['unavailable', 'no_answer'] as const)(
    'opens its breaker after twenty calls if half of them end with the failure %s',
    async (failure) => {
      let n = 0;
      const { end, calls } = guard(() =>
        n++ % 2 ? Promise.reject(failing(failure)) : Promise.resolve({ handle: 'x' }),
      );
      await times(19, end);
      expect(guarded.state).toBe('closed');
      await end();
      expect(guarded.state).toBe('open');
      expect(await end()).toBe('not_sent');
      expect(calls()).toBe(20);
    },
  );

  it.each(['rejected', 'rejected_unclear', 'throttled', 'misconfigured', 'not_sent'] as const)(
    'keeps its breaker closed however many calls end with the failure %s',
    async (failure) => {
      const { end } = guard(() => Promise.reject(failing(failure)));
      expect(new Set(await times(60, end))).toEqual(new Set([failure]));
      expect(guarded.state).toBe('closed');
    },
  );

  it('lets one call through a half open breaker, and closes it only if that call succeeds', async () => {
    let ends = () => Promise.reject<SentOtp>(failing('unavailable'));
    const { end, calls } = guard(() => ends());
    await times(20, end);
    await until('the breaker is half open', opened);
    expect(await end()).toBe('unavailable');
    expect(guarded.state).toBe('open');
    await until('the breaker is half open', opened);
    const before = calls();
    let answer!: (sent: SentOtp) => void;
    ends = () => new Promise<SentOtp>((resolve) => (answer = resolve));
    const first = end();
    expect(await times(5, end)).toEqual(Array(5).fill('not_sent'));
    expect(calls()).toBe(before + 1);
    answer({ handle: 'x' });
    expect(await first).toBe('ok');
    expect(guarded.state).toBe('closed');
  });

  it('closes a breaker that has been half open for RETRY_CAP_MS, after a successful probe', async () => {
    const { end, upstream } = guard(() => Promise.reject(failing('unavailable')));
    await times(20, end);
    const limits = { timeoutMs: 1_000, beforeSend: () => undefined };
    await guarded.probe(limits);
    expect(guarded.state).toBe('open');
    await until('the breaker is half open', opened);
    upstream.down = true;
    const probes = async () => {
      await guarded.probe(limits).catch(() => undefined);
      return guarded.ends.unreported().get('probe')!.count > 20;
    };
    await until('probes have failed for a while', probes);
    expect(guarded.state).toBe('half_open');
    upstream.down = false;
    await until('a probe closes it', async () => {
      await guarded.probe(limits);
      return guarded.state === 'closed';
    });
    expect(guarded.notClosedSinceMs).toBeNull();
  });

  it('reports when its breaker first opened, even if a half open breaker opens again', async () => {
    const { end } = guard(() => Promise.reject(failing('unavailable')));
    expect(guarded.notClosedSinceMs).toBeNull();
    await times(20, end);
    const since = guarded.notClosedSinceMs;
    expect(since).not.toBeNull();
    await until('the breaker is half open', opened);
    await end();
    expect(guarded.state).toBe('open');
    expect(guarded.notClosedSinceMs).toBe(since);
  });

  it('does not count calls that its open breaker has stopped', async () => {
    const { end } = guard(() => Promise.reject(failing('unavailable')));
    await times(25, end);
    expect(guarded.ends.unreported().get('init-otp')).toMatchObject({
      count: 20,
      failure: 'unavailable',
      status: 500,
    });
  });
});
