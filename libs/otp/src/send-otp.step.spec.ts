import { describe, expect, it } from '@jest/globals';
import type { OnboardingStore, Retention, Row, Steps } from '#libs/onboarding';
import { aCall, aRow, after, testConfig } from '#libs/testing';
import { UpstreamError, type RejectionReason, type UpstreamProvider } from '#libs/upstream';
import { OtpBudget } from './otp-budget.js';
import { SendOtpStep } from './send-otp.step.js';

const config = testConfig({ OTP_LIFE_MS: '300000', OTP_TRIES: '3' });
const step = new SendOtpStep(
  new OtpBudget({} as OnboardingStore, {} as Retention, config),
  {} as Steps,
  config,
);
const row = aRow({ otpSentAt: null, otpHandle: null, otpExpiresAt: null, otpTriesLeft: 0, otpSends: 2 });
/** A resend while the code before lives. */
const again = aRow({ state: 'otp_requested', step: 'init-otp' });

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
    const later = { ...row, otpSentAt: new Date() };
    expect(step.rejected(later, refusal('subject_not_found'))).toMatchObject({
      signal: 'send_gave_up',
      patch: { reason: 'send_failed' },
      result: { code: 'subject_not_found' },
    });
  });

  it.each<[string, Partial<Row>, boolean]>([
    ['nothing was sent', {}, true],
    ['an earlier try ended with a 5xx', { unavailableCount: 1 }, false],
    ['an earlier try was not answered', { noAnswerCount: 1 }, false],
    ['a repeat says what became of an earlier try', { provider: 'turnkey', unavailableCount: 1 }, true],
    ['it has expired', { otpExpiresAt: after(0) }, false],
    ['it has no try left', { otpTriesLeft: 0 }, false],
  ])('that is refused: the code before, where %s', (_, columns, codeLives) => {
    const resent = { ...again, ...columns };
    for (const reason of [undefined, 'subject_not_found', 'contact_invalid', 'captcha_required'] as const) {
      const end = step.rejected(resent, refusal(reason));
      expect(end).toMatchObject({ signal: 'send_gave_up', codeLives });
      const voided = { otpHandle: null, otpTriesLeft: 0, reason: 'send_failed' };
      if (codeLives) expect(Object.keys(end.patch!)).toEqual(['otpResendAt']);
      else expect(end.patch).toMatchObject(voided);
    }
  });

  it('that a policy forbids ends the onboarding, unless a code lives', () => {
    expect(step.rejected(row, refusal('mfa_needed'))).toMatchObject({ signal: 'step_failed' });
    expect(step.rejected(again, refusal('mfa_needed'))).toMatchObject({
      signal: 'send_gave_up',
      codeLives: true,
      result: { code: 'mfa_needed' },
    });
  });

  it('that meets our own fault is parked, unless a code lives', () => {
    expect(step.misconfigured(row)).toBeNull();
    expect(step.misconfigured({ ...again, unavailableCount: 1 })).toBeNull();
    expect(step.misconfigured(again)).toMatchObject({
      codeLives: true,
      result: { code: 'upstream_misconfigured' },
    });
  });

  it('that gives up leaves a code, unless another may have been sent', () => {
    const gaveUp = (unanswered: boolean, columns: Partial<Row> = {}) =>
      step.gaveUp({ ...again, ...columns }, { refunded: !unanswered, unanswered }).codeLives;
    expect(gaveUp(false)).toBe(true);
    expect(gaveUp(true)).toBe(false);
    expect(gaveUp(false, { noAnswerCount: 1 })).toBe(false);
  });

  it('that lacks a captcha is no end, even the first time', () => {
    expect(step.rejected(row, refusal('captcha_required'))).toMatchObject({
      signal: 'send_gave_up',
      codeLives: false,
      result: { code: 'captcha_required' },
    });
  });

  it('that cannot reach the contact points at it', () => {
    const pointers = [row, { ...row, sealedContact: Buffer.from('sealed') }].map(
      (each) => step.rejected(each, refusal('contact_invalid')).failure!.errors![0]!.pointer,
    );
    expect(pointers).toEqual(['/subject', '/subject/contact/value']);
  });

  it('counts what may have been mailed, and refunds what certainly was not', () => {
    expect(step.counted(row)).toEqual({ otpSends: 3 });
    expect(step.withoutEffect(row).clauses.map(({ name }) => name)).toEqual(['send_refunded']);
    expect(step.claimClauses().map(({ name, required }) => [name, required])).toEqual([
      ['send_charged', true],
    ]);
  });
});
