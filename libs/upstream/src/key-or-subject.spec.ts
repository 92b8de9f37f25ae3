import { describe, expect, it } from '@jest/globals';
import { aCall } from '#libs/testing';
import { endOf } from './fixtures/end-of.js';
import { KeyOrSubject } from './key-or-subject.js';
import { UpstreamError } from './port/upstream-error.js';

const evidence = { bytesSent: true, headersSeen: true, status: 401, durationMs: 1 };
const refused = (mayBeOfSubject = true) =>
  new UpstreamError('misconfigured', { detail: 'upstream answered 401', evidence, mayBeOfSubject });
const ANN = { userId: 'ann' };
const BOB = { userId: 'bob' };

function world(probe: () => Promise<void> = () => Promise.resolve()) {
  let now = 0;
  const probes: number[] = [];
  const keyOrSubject = new KeyOrSubject({ nowMs: () => now, monotonicMs: () => now }, (limits) => {
    probes.push(limits.timeoutMs);
    return probe();
  });
  let calls = 0;
  const run = (subject: object, ends: (() => unknown)[], name = 'init-otp') => {
    calls = 0;
    return keyOrSubject.run(
      name,
      aCall({ timeoutMs: 1_000 }),
      subject as Record<string, unknown>,
      async () => {
        const end = ends[calls++]!();
        if (end instanceof Error) throw end;
        return end;
      },
    );
  };
  return { run, probes, calls: () => calls, pass: (ms: number) => (now += ms) };
}
const ok = () => 'ok';
const no = () => refused();

describe('a refusal that may concern our key or only the subject', () => {
  it('concerns the subject if the key works for another subject, and a second call is refused', async () => {
    const { run, probes, calls } = world();
    await run(ANN, [ok]);
    expect(await endOf(run(BOB, [no, no]))).toMatchObject({ failure: 'rejected_unclear', evidence });
    expect(calls()).toBe(2);
    expect(probes).toHaveLength(1);
  });

  it('is forgotten if the second call succeeds', async () => {
    const { run } = world();
    await run(ANN, [ok]);
    expect(await run(BOB, [no, ok])).toBe('ok');
  });

  it.each<[string, (at: ReturnType<typeof world>) => Promise<unknown>]>([
    ['nothing has worked yet', () => Promise.resolve()],
    ['only the same subject has worked', ({ run }) => run(BOB, [ok])],
    ['only another call has worked', ({ run }) => run(ANN, [ok], 'verify-otp')],
    ['another subject worked long ago', async ({ run, pass }) => (await run(ANN, [ok]), pass(60_001))],
  ])('is about our key if %s', async (_, before) => {
    const at = world();
    await before(at);
    expect(await endOf(at.run(BOB, [no]))).toMatchObject({ failure: 'misconfigured' });
    expect(at.calls()).toBe(1);
    expect(at.probes).toEqual([]);
  });

  it('concerns our key if the probe fails too', async () => {
    for (const failure of ['misconfigured', 'rejected', 'unavailable'] as const) {
      const at = world(() => Promise.reject(new UpstreamError(failure, { detail: 'no', evidence })));
      await at.run(ANN, [ok]);
      expect(await endOf(at.run(BOB, [no]))).toMatchObject({ failure: 'misconfigured' });
      expect(at.calls()).toBe(1);
    }
  });

  it('causes no second call if its text names the key', async () => {
    const { run, probes } = world();
    await run(ANN, [ok]);
    expect(await endOf(run(BOB, [() => refused(false)]))).toMatchObject({ failure: 'misconfigured' });
    expect(probes).toEqual([]);
  });

  it('is replaced by the failure of the second call if the two failures differ', async () => {
    const { run } = world();
    await run(ANN, [ok]);
    const lost = () => new UpstreamError('no_answer', { detail: 'cut', evidence });
    expect(await endOf(run(BOB, [no, lost]))).toMatchObject({ failure: 'no_answer' });
  });
});
