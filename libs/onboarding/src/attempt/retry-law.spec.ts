import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FAILURE_CLASSES, PROVIDERS, type FailureClass } from '#libs/upstream';
import { STEPS, type StepName } from '../flow/table.js';
import { EFFECT_UNKNOWN, decide, type Circumstances, type Decision, type Timing } from './retry-law.js';

const TIMING: Timing = {
  RETRY_FLOOR_MS: 250,
  RETRY_BASE_MS: 1_000,
  RETRY_CAP_MS: 30_000,
  RETRY_AFTER_MAX_MS: 120_000,
  CALL_TIMEOUT_MS: 10_000,
};

const circumstances = (some: Partial<Circumstances>): Circumstances => ({
  provider: 'byzantine',
  step: 'init-otp',
  failure: 'not_sent',
  sent: some.failure !== undefined && some.failure !== 'not_sent',
  calls: 1,
  unavailableCount: 0,
  noAnswerCount: 0,
  inDoubt: false,
  timeLeftMs: 24 * 3_600_000,
  retryAfterMs: undefined,
  cooldownLeftMs: 0,
  ...some,
});

/** @returns the decision after these failed calls of one submission, with enough time left. */
function after(step: StepName, failures: FailureClass[], more: Partial<Circumstances> = {}): Decision {
  const count = (failure: FailureClass) => failures.filter((each) => each === failure).length;
  const at = circumstances({
    step,
    failure: failures.at(-1)!,
    calls: failures.length,
    unavailableCount: count('unavailable'),
    noAnswerCount: count('no_answer'),
    inDoubt: failures.slice(0, -1).some((each) => EFFECT_UNKNOWN.has(each)),
    ...more,
  });
  return decide(at, TIMING, 0.5);
}

/** @returns how often the same failure is retried, and the decision after the last retry. */
function endless(
  step: StepName,
  failure: FailureClass,
): { retries: number; lastly: Decision['type'] | null } {
  const failures: FailureClass[] = [];
  while (failures.length < 100) {
    failures.push(failure);
    const { type } = after(step, failures);
    if (type !== 'retry') return { retries: failures.length - 1, lastly: type };
  }
  return { retries: Infinity, lastly: null };
}

const always = { retries: Infinity, lastly: null };
/** Written by hand: the number of retries, the decision after them, and the decision if no time is left. */
const TABLE: Record<
  StepName,
  Record<FailureClass, { retries: number; lastly: string | null; noTime: string }>
> = {
  'init-otp': {
    not_sent: { ...always, noTime: 'give_up' },
    throttled: { ...always, noTime: 'give_up' },
    unavailable: { ...always, noTime: 'give_up' },
    no_answer: { retries: 1, lastly: 'give_up', noTime: 'give_up' },
    rejected: { retries: 0, lastly: 'rejected', noTime: 'rejected' },
    rejected_unclear: { retries: 0, lastly: 'rejected', noTime: 'rejected' },
    misconfigured: { retries: 0, lastly: 'park', noTime: 'park' },
  },
  'verify-otp': {
    not_sent: { ...always, noTime: 'give_up' },
    throttled: { ...always, noTime: 'give_up' },
    unavailable: { retries: 2, lastly: 'outcome_unknown', noTime: 'outcome_unknown' },
    no_answer: { retries: 0, lastly: 'outcome_unknown', noTime: 'outcome_unknown' },
    rejected: { retries: 0, lastly: 'rejected', noTime: 'rejected' },
    rejected_unclear: { retries: 0, lastly: 'rejected', noTime: 'rejected' },
    misconfigured: { retries: 0, lastly: 'park', noTime: 'park' },
  },
  'create-authenticators': {
    not_sent: { ...always, noTime: 'give_up' },
    throttled: { ...always, noTime: 'give_up' },
    unavailable: { retries: 4, lastly: 'outcome_unknown', noTime: 'outcome_unknown' },
    no_answer: { retries: 1, lastly: 'outcome_unknown', noTime: 'outcome_unknown' },
    rejected: { retries: 0, lastly: 'rejected', noTime: 'rejected' },
    rejected_unclear: { retries: 0, lastly: 'rejected', noTime: 'rejected' },
    misconfigured: { retries: 0, lastly: 'park', noTime: 'park' },
  },
};

const CELLS = STEPS.flatMap((step) =>
  FAILURE_CLASSES.map((failure) => ({ step, failure, ...TABLE[step][failure] })),
);
const KINDS = PROVIDERS.map(({ kind }) => kind);
const DOUBTFUL = ['verify-otp', 'create-authenticators'] as const;

describe('the retry law', () => {
  it.each(CELLS)(
    'retries $step after $failure $retries times, and then decides: $lastly',
    ({ step, failure, retries, lastly }) => {
      expect(endless(step, failure)).toEqual({ retries, lastly });
    },
  );

  it.each(CELLS)(
    'decides $noTime after $failure of $step, if no time is left for another call',
    ({ step, failure, noTime }) => {
      expect(after(step, [failure], { timeLeftMs: 0 })).toEqual({ type: noTime });
    },
  );

  it('throws for a provider that has no retry rules', () => {
    expect(() => decide(circumstances({ provider: 'of-the-past' }), TIMING, 0)).toThrow(
      'no table for provider "of-the-past"',
    );
  });
});

describe('the retry law after a call with an unknown effect', () => {
  const definite = ['rejected', 'rejected_unclear', 'misconfigured'] as const;

  it.each(DOUBTFUL.flatMap((step) => definite.map((failure) => ({ step, failure }))))(
    'treats the outcome of $step as unknown if a retry after a 5xx ends with $failure',
    ({ step, failure }) => {
      expect(after(step, ['unavailable', failure])).toEqual({ type: 'outcome_unknown' });
    },
  );

  it.each(
    DOUBTFUL.flatMap((step) => (['not_sent', 'throttled'] as const).map((failure) => ({ step, failure }))),
  )(
    'retries $step after $failure until no time is left, then treats the outcome as unknown',
    ({ step, failure }) => {
      expect(after(step, ['unavailable', failure]).type).toBe('retry');
      expect(after(step, ['unavailable', failure], { timeLeftMs: 0 })).toEqual({ type: 'outcome_unknown' });
    },
  );

  it('treats a refusal of init-otp after a 5xx as a refusal', () => {
    for (const failure of ['rejected', 'rejected_unclear'] as const) {
      expect(after('init-otp', ['unavailable', failure])).toEqual({ type: 'rejected' });
    }
    expect(after('init-otp', ['no_answer', 'misconfigured'])).toEqual({ type: 'give_up' });
    // The second call was not sent, because the clocks of service and provider differ too much.
    expect(after('init-otp', ['no_answer', 'misconfigured'], { sent: false })).toEqual({ type: 'park' });
  });
});

describe('the retry law after a call without an answer', () => {
  const unanswered = [
    { step: 'init-otp', otherwise: 'give_up' },
    { step: 'create-authenticators', otherwise: 'outcome_unknown' },
  ] as const;
  const answered = ['throttled', 'unavailable', 'no_answer'] as const;

  it.each(unanswered.flatMap((each) => answered.map((second) => ({ ...each, second }))))(
    'makes no third call of $step if the second one ends with $second',
    ({ step, second, otherwise }) => {
      expect(after(step, ['no_answer', second])).toEqual({ type: otherwise });
      expect(after(step, ['no_answer', 'not_sent', second])).toEqual({ type: otherwise });
    },
  );

  it.each(unanswered)('does not count an unsent attempt of $step as a call', ({ step }) => {
    expect(after(step, ['no_answer', 'not_sent', 'not_sent', 'not_sent']).type).toBe('retry');
  });

  it('treats the outcome of verify-otp as unknown immediately', () => {
    expect(after('verify-otp', ['unavailable', 'no_answer'])).toEqual({ type: 'outcome_unknown' });
  });

  it('does not retry a later call that ends with a 5xx, even if the limit for 5xx would allow it', () => {
    expect(after('create-authenticators', ['unavailable', 'no_answer']).type).toBe('retry');
    expect(after('create-authenticators', ['unavailable', 'no_answer', 'unavailable']).type).toBe(
      'outcome_unknown',
    );
  });
});

describe('the limits of retries', () => {
  it('count only 5xx answers, not unsent or throttled calls', () => {
    const harmless: FailureClass[] = ['not_sent', 'throttled', 'not_sent', 'throttled'];
    expect(after('verify-otp', [...harmless, 'unavailable', ...harmless, 'unavailable']).type).toBe('retry');
    expect(
      after('verify-otp', [...harmless, 'unavailable', 'unavailable', 'throttled', 'unavailable']).type,
    ).toBe('outcome_unknown');
  });

  it.each(STEPS)('of %s do not apply to repetitions of the same bytes', (step) => {
    for (const failure of ['unavailable', 'no_answer'] as const)
      expect(after(step, Array(9).fill(failure), { provider: 'turnkey' }).type).toBe('retry');
  });

  it.each(KINDS.flatMap((provider) => STEPS.map((step) => ({ provider, step }))))(
    'do not apply to unsent or throttled calls of $step at $provider',
    ({ provider, step }) => {
      const failures: FailureClass[] = Array(9).fill('unavailable');
      expect(after(step, [...failures, 'not_sent'], { provider }).type).toBe('retry');
      expect(after(step, [...failures, 'throttled'], { provider }).type).toBe('retry');
    },
  );
});

describe('the time of a retry', () => {
  const failure = fc.constantFrom(...FAILURE_CLASSES);
  const at = fc.record({
    step: fc.constantFrom(...STEPS),
    failure,
    calls: fc.integer({ min: 1, max: 60 }),
    unavailableCount: fc.integer({ min: 0, max: 6 }),
    noAnswerCount: fc.integer({ min: 0, max: 2 }),
    inDoubt: fc.boolean(),
    timeLeftMs: fc.oneof(fc.constant(Infinity), fc.integer({ min: -10_000, max: 400_000 })),
    retryAfterMs: fc.option(fc.integer({ min: 0, max: 10_000_000 }), { nil: undefined }),
    cooldownLeftMs: fc.integer({ min: 0, max: 60_000 }),
  });
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

  it('is between floor and cap, but respects a later Retry-After (at most 120 s) or cooldown', () => {
    fc.assert(
      fc.property(at, random, (some, jitter) => {
        const decision = decide(circumstances(some), TIMING, jitter);
        if (decision.type !== 'retry') return;
        const told = Math.min(some.retryAfterMs ?? 0, 120_000);
        const cooldown = some.step === 'init-otp' && some.failure === 'no_answer' ? some.cooldownLeftMs : 0;
        expect(decision.delayMs).toBeGreaterThanOrEqual(Math.max(250, told, cooldown));
        expect(decision.delayMs).toBeLessThanOrEqual(Math.max(30_000, told, cooldown));
        expect(Number.isInteger(decision.delayMs)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('leaves room for the whole call before the code, the session or the onboarding ends', () => {
    fc.assert(
      fc.property(at, random, (some, jitter) => {
        const decision = decide(circumstances(some), TIMING, jitter);
        if (decision.type === 'retry') expect(decision.delayMs + 10_000).toBeLessThanOrEqual(some.timeLeftMs);
      }),
      { numRuns: 2_000 },
    );
  });

  it('may be so late that the call ends exactly at the deadline', () => {
    const told = { step: 'verify-otp', failure: 'throttled', retryAfterMs: 20_000 } as const;
    expect(decide(circumstances({ ...told, timeLeftMs: 30_000 }), TIMING, 0)).toEqual({
      type: 'retry',
      delayMs: 20_000,
    });
    expect(decide(circumstances({ ...told, timeLeftMs: 29_999 }), TIMING, 0)).toEqual({ type: 'give_up' });
  });

  it.each([
    { calls: 1, ceiling: 1_000 },
    { calls: 2, ceiling: 2_000 },
    { calls: 3, ceiling: 4_000 },
    { calls: 5, ceiling: 16_000 },
    { calls: 6, ceiling: 30_000 },
    { calls: 40, ceiling: 30_000 },
  ])('is spread from the floor to $ceiling ms after call $calls', ({ calls, ceiling }) => {
    const delay = (jitter: number) => {
      const decision = decide(
        circumstances({ failure: 'unavailable', calls, unavailableCount: calls }),
        TIMING,
        jitter,
      );
      return decision.type === 'retry' ? decision.delayMs : NaN;
    };
    expect(delay(0)).toBe(250);
    expect(delay(0.5)).toBe(250 + (ceiling - 250) / 2);
    expect(delay(1 - Number.EPSILON)).toBe(ceiling);
  });

  it('is never before the floor, even if the floor is above the ceiling', () => {
    const steep = { ...TIMING, RETRY_FLOOR_MS: 5_000 };
    const decision = decide(circumstances({ failure: 'throttled' }), steep, 1 - Number.EPSILON);
    expect(decision).toEqual({ type: 'retry', delayMs: 5_000 });
  });

  it('is the time in Retry-After, if that is after the floor and within 120 s', () => {
    const delay = (retryAfterMs: number) =>
      decide(circumstances({ failure: 'throttled', retryAfterMs }), TIMING, 0);
    expect(delay(7_000)).toEqual({ type: 'retry', delayMs: 7_000 });
    expect(delay(100)).toEqual({ type: 'retry', delayMs: 250 });
    expect(delay(600_000)).toEqual({ type: 'retry', delayMs: 120_000 });
  });

  it('is after the cooldown only if a mail may have been sent', () => {
    const cooldownLeftMs = 45_000;
    expect(after('init-otp', ['no_answer'], { cooldownLeftMs })).toEqual({ type: 'retry', delayMs: 45_000 });
    const other = after('init-otp', ['unavailable'], { cooldownLeftMs });
    expect(other).toEqual({ type: 'retry', delayMs: 625 });
  });
});
