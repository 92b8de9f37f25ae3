import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { EndedBadly, TooEarly } from '#libs/jobs';
import { aClaim, anOnboarding, inMs } from '#libs/testing';
import { failure, VerifyStep } from '../fixtures/verify-step.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { nextActionOf } from '../flow/next-action.js';
import { deadlineOf, dueOf, type RowInStep } from '../flow/row.js';
import { RetryBudget } from './retry-budget.js';
import { StepHandler } from './step.handler.js';

const step = new VerifyStep();
let onboardings: Onboardings;
let wake: (onboardingId: string) => Promise<unknown>;
beforeAll(async () => {
  onboardings = await openOnboardings([step]);
  const handler = onboardings.module
    .get(StepHandler)
    .handlers()
    .find(({ job }) => job.name === 'verify-otp')!;
  wake = (onboardingId) => handler.handle(handler.job.payload.parse({ onboardingId }));
});
afterAll(() => onboardings.close());

/** Inserts an onboarding whose step waits for its second try. */
const insert = (columns: Record<string, unknown> = {}) =>
  anOnboarding(onboardings.dataSource, {
    state: 'otp_submitted',
    step: 'verify-otp',
    attempt: 2,
    submission: 2,
    next_attempt_at: inMs(-10),
    sealed_otp_code: Buffer.from('code'),
    ...columns,
  });

describe('a wake-up job', () => {
  it('makes the next attempt, and commits it before the call', async () => {
    const id = await insert();
    step.script.push(async () => {
      expect(await onboardings.load(id)).toMatchObject({
        attempt: 3,
        nextAttemptAt: null,
        unresolved: [{ attempt: 3 }],
      });
      expect((await onboardings.load(id)).leaseUntil).not.toBeNull();
      return step.verified;
    });
    expect(await wake(id)).toEqual({ outcome: 'otp_verified', attempt: 3 });
    expect(await onboardings.eventTypes(id)).toEqual(['attempt_started', 'attempt_ended', 'otp_verified']);
  });

  it('makes only one attempt, even if several jobs for the same step run at the same time', async () => {
    const id = await insert();
    step.script.push(() => step.verified);
    const outcomes = await Promise.allSettled([wake(id), wake(id), wake(id), wake(id)]);
    expect(step.script).toEqual([]);
    expect(outcomes.map(({ status }) => status)).toEqual(Array(4).fill('fulfilled'));
    expect((await onboardings.load(id)).attempt).toBe(3);
  });

  it('returns the time of the next try after a failed attempt', async () => {
    const id = await insert();
    step.script.push(() => {
      throw failure('not_sent');
    });
    const { nextAttemptAt } = await wake(id).then(async (outcome) => {
      expect(outcome).toMatchObject({ outcome: 'retry_scheduled', attempt: 3 });
      return onboardings.load(id);
    });
    expect(nextAttemptAt).not.toBeNull();
  });

  it('fails with the reason of the step’s end if no retry can follow', async () => {
    const id = await insert();
    step.script.push(() => {
      throw failure('no_answer');
    });
    await expect(wake(id)).rejects.toEqual(
      new EndedBadly(
        'outcome_unknown: The call may have taken effect, and this service cannot find out: ' +
          'check at the provider and resolve it, or ask for a new code.',
      ),
    );
  });

  it('that runs too early is delayed until the next try is due', async () => {
    const id = await insert({ next_attempt_at: inMs(60_000) });
    const leftMs = async () => {
      const { nextAttemptAt, now } = await onboardings.load(id);
      return nextAttemptAt!.getTime() - now.getTime();
    };
    const before = await leftMs();
    const error = await wake(id).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TooEarly);
    // The times are cut to milliseconds, so the delay is a millisecond longer than the time left.
    expect((error as TooEarly).waitMs).toBeLessThanOrEqual(before + 1);
    expect((error as TooEarly).waitMs).toBeGreaterThan(await leftMs());
  });

  it('takes over the call of a process that died', async () => {
    const id = await insert({
      next_attempt_at: null,
      lease_until: inMs(-10),
      unresolved: [{ step: 'verify-otp', attempt: 2, at: 'then' }],
    });
    await expect(wake(id)).rejects.toThrow(EndedBadly);
    expect(await onboardings.load(id)).toMatchObject({
      state: 'outcome_unknown',
      unresolved: [{ attempt: 2 }],
    });
  });

  it.each([
    ['gone', 'is gone', null],
    ['in_flight', 'is in flight', { lease_until: inMs(60_000), next_attempt_at: null }],
    ['parked', 'is parked', { parked_reason: 'integration_missing', parked_at: inMs(-1) }],
    ['not_needed', 'has moved on', { state: 'otp_verified', step: null, next_attempt_at: null }],
    ['deadline_passed', 'is past its deadline', { otp_expires_at: inMs(-1) }],
  ])('returns "%s" for a row that %s, and changes nothing', async (outcome, _, columns) => {
    const id = columns ? await insert(columns) : randomUUID();
    const before = await onboardings.store.find(id);
    expect(await wake(id)).toMatchObject({ outcome });
    expect((await onboardings.store.find(id))?.lastSeq).toBe(before?.lastSeq);
  });

  it('parks a row whose integration is no longer configured', async () => {
    const id = await insert({ integration: 'of-the-past' });
    expect(await wake(id)).toEqual({ outcome: 'parked', reason: 'integration_missing' });
  });

  it('records an attempt with an internal error as unanswered only if bytes were sent', async () => {
    const unsent = await insert();
    step.script.push(() => {
      throw new TypeError('a bug before the call');
    });
    expect(await wake(unsent)).toMatchObject({ outcome: 'retry_scheduled' });
    const sent = await insert();
    step.script.push((call) => {
      call.beforeSend();
      throw new TypeError('a bug after the call');
    });
    await expect(wake(sent)).rejects.toThrow(/outcome_unknown/);
  });
});

describe('a wake-up job that exceeds the retry budget', () => {
  const WAIT_MS = 7_000;
  const take = () => jest.spyOn(onboardings.module.get(RetryBudget), 'take').mockResolvedValue(WAIT_MS);
  afterEach(() => void jest.restoreAllMocks());

  it('is delayed, and writes the new time to the row for the sweeper and the caller', async () => {
    const id = await insert();
    const budget = take();
    const error = await wake(id).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TooEarly);
    expect((error as TooEarly).waitMs).toBe(WAIT_MS);

    const row = await onboardings.load(id);
    expect(row.nextAttemptAt!.getTime() - row.updatedAt.getTime()).toBe(WAIT_MS);
    expect(row).toMatchObject({ attempt: 2, state: 'otp_submitted', leaseUntil: null });
    expect(row.dueAt).toEqual(dueOf(row, row.now));
    expect(nextActionOf(row)).toEqual({ type: 'wait', until: row.nextAttemptAt!.toISOString() });
    expect(await onboardings.eventTypes(id)).toEqual([]);

    // A wake-up before this time does not use the budget again.
    await expect(wake(id)).rejects.toThrow(TooEarly);
    expect(budget).toHaveBeenCalledTimes(1);
  });

  it('is delayed at most until the onboarding ends', async () => {
    const id = await insert();
    take().mockResolvedValue(30 * 86_400_000);
    await expect(wake(id)).rejects.toThrow(TooEarly);
    const row = await onboardings.load(id);
    expect(row.nextAttemptAt).toEqual(deadlineOf(row));
  });

  it('changes nothing if another process has begun the try', async () => {
    const id = await insert();
    take().mockImplementation(async () => {
      await onboardings.store.retry((await onboardings.load(id)) as RowInStep, aClaim(), false);
      return WAIT_MS;
    });
    expect(await wake(id)).toEqual({ outcome: 'lost_race' });
    expect(await onboardings.load(id)).toMatchObject({ attempt: 3, nextAttemptAt: null });
  });
});
