import { describe, expect, it } from '@jest/globals';
import type { OnboardingStore, Retention, Row, Steps } from '#libs/onboarding';
import { aCall, testConfig } from '#libs/testing';
import { UpstreamError, type RejectionReason, type UpstreamProvider } from '#libs/upstream';
import { OtpBudget } from './otp-budget.js';
import { SendOtpStep } from './send-otp.step.js';

const config = testConfig({ OTP_LIFE_MS: '300000', OTP_TRIES: '3' });
const step = new SendOtpStep(
  new OtpBudget({} as OnboardingStore, {} as Retention, config),
  {} as Steps,
  config,
);
const row = { id: 'o', subject: { userId: 'u' }, otpSentAt: null, otpSends: 2 } as unknown as Row;

const refusal = (reason?: RejectionReason) =>
  new UpstreamError('rejected', {
    detail: 'no',
    evidence: { bytesSent: true, headersSeen: true, status: 400, durationMs: 1 },
    ...(reason && { reason }),
  });

/** The milliseconds of a `fromNow`. */
function msOf(value: unknown): unknown {
  const bound: unknown[] = [];
  (value as { write(b: { bind(v: unknown): string }): string }).write({ bind: (v) => `$${bound.push(v)}` });
  return bound[0];
}

describe('step 1', () => {
  it.each([
    ['our own life, where upstream names none', undefined, 300_000],
    ['upstream’s life, where that is shorter', 120_000, 120_000],
    ['our own life, where upstream’s is longer', 900_000, 300_000],
  ])('gives the code %s', async (_, lifeMs, expected) => {
    const provider = {
      initOtp: async () => ({ handle: 'h', ...(lifeMs && { lifeMs }) }),
    } as unknown as UpstreamProvider;
    const end = await step.call(provider, aCall(), row);
    expect(end).toMatchObject({ signal: 'otp_sent', patch: { otpHandle: 'h', otpTriesLeft: 3 } });
    expect(msOf(end.patch!.otpExpiresAt)).toBe(expected);
  });

  it('voids the code before, and the session that it led to', () => {
    expect(step.firstPatch()).toMatchObject({
      otpHandle: null,
      otpExpiresAt: null,
      otpTriesLeft: 0,
      sessionExpiresAt: null,
      sessionEndsAt: null,
    });
  });

  it('that is refused the first time ends the onboarding', () => {
    expect(step.rejected(row, refusal('subject_not_found'))).toMatchObject({
      signal: 'step_failed',
      failure: { code: 'subject_not_found' },
    });
    expect(step.rejected(row, refusal())).toMatchObject({
      signal: 'step_failed',
      failure: { code: 'upstream_rejected' },
    });
  });

  it('that is refused later ends this send only', () => {
    const again = { ...row, otpSentAt: new Date() };
    expect(step.rejected(again, refusal('subject_not_found'))).toMatchObject({
      signal: 'send_gave_up',
      patch: { reason: 'send_failed' },
      result: { code: 'subject_not_found' },
    });
  });

  it('counts what may have been mailed, and refunds what certainly was not', () => {
    expect(step.counted(row)).toEqual({ otpSends: 3 });
    expect(step.withoutEffect(row).clauses.map(({ name }) => name)).toEqual(['send_refunded']);
    expect(step.claimClauses().map(({ name, required }) => [name, required])).toEqual([
      ['send_charged', true],
    ]);
  });
});
