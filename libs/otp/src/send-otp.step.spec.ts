import { describe, expect, it } from '@jest/globals';
import {
  move,
  type OnboardingStore,
  type Retention,
  type Row,
  type StepEnd,
  type Steps,
} from '#libs/onboarding';
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
const row = aRow({
  state: 'otp_requested',
  step: 'init-otp',
  otpSentAt: null,
  otpHandle: null,
  otpExpiresAt: null,
  otpTriesLeft: 0,
  otpSends: 2,
});
/** A resend while the earlier code is valid. */
const again = aRow({ state: 'otp_requested', step: 'init-otp' });

const refusal = (reason?: RejectionReason) =>
  new UpstreamError('rejected', {
    detail: 'no',
    evidence: { bytesSent: true, headersSeen: true, status: 400, durationMs: 1 },
    ...(reason && { reason }),
  });

const patchOf = (seen: Row, { signal, facts }: StepEnd) =>
  move(seen, signal, facts as never, { now: seen.now, settings: config }).patch;

describe('step 1, the sending of a code', () => {
  it.each([
    ['the configured life, if the provider names none', undefined, 300_000],
    ['the provider’s life, if that is shorter', 120_000, 120_000],
    ['the configured life, if the provider’s is longer', 900_000, 300_000],
  ])('makes a code valid for %s', async (_, lifeMs, expected) => {
    const provider = {
      initOtp: async () => ({ handle: 'h', ...(lifeMs && { lifeMs }) }),
    } as unknown as UpstreamProvider;
    const end = await step.call(provider, aCall(), row);
    expect(end.signal).toBe('otp_sent');
    expect(patchOf(row, end)).toMatchObject({
      state: 'otp_sent',
      otpHandle: 'h',
      otpTriesLeft: 3,
      otpExpiresAt: after(expected),
      otpSentAt: after(0),
    });
  });

  it('wipes the earlier session at its start, but the earlier code only if the state is otp_needed', () => {
    const asked = { fingerprint: 'f' };
    const ends = { sessionExpiresAt: after(600_000), sessionEndsAt: after(570_000) };
    const at = { now: after(0), settings: config };
    const session = { deviceSigning: null, sessionExpiresAt: null, sessionEndsAt: null };
    const code = { otpHandle: null, otpTargetBundle: null, otpExpiresAt: null, otpTriesLeft: 0 };
    const needed = aRow({ ...ends, state: 'otp_needed', reason: 'session_expired' });
    expect(move(needed, 'otp_resend_asked', asked, at).patch).toMatchObject({ ...session, ...code });
    const kept = move(aRow(ends), 'otp_resend_asked', asked, at).patch;
    expect(kept).toMatchObject(session);
    for (const column of Object.keys(code)) expect(kept).not.toHaveProperty(column);
  });

  it('ends the onboarding if the provider refuses the first send', () => {
    expect(step.rejected(row, refusal('subject_not_found'))).toMatchObject({
      signal: 'step_failed',
      facts: { failure: { code: 'subject_not_found' } },
    });
    expect(step.rejected(row, refusal())).toMatchObject({
      signal: 'step_failed',
      facts: { failure: { code: 'upstream_rejected' } },
    });
  });

  it('ends only the resend if the provider refuses a resend', () => {
    const later = { ...row, otpSentAt: new Date() };
    const end = step.rejected(later, refusal('subject_not_found'));
    expect(end).toMatchObject({
      signal: 'send_gave_up',
      facts: { result: { code: 'subject_not_found' } },
    });
    expect(patchOf(later, end)).toMatchObject({ state: 'otp_needed', reason: 'send_failed' });
  });

  it.each<[string, Partial<Row>, boolean]>([
    ['nothing was sent', {}, true],
    ['an earlier try ended with a 5xx', { unavailableCount: 1 }, false],
    ['an earlier try was not answered', { noAnswerCount: 1 }, false],
    ['a repeat shows the outcome of an earlier try', { provider: 'turnkey', unavailableCount: 1 }, true],
    ['it has expired', { otpExpiresAt: after(0) }, false],
    ['it has no try left', { otpTriesLeft: 0 }, false],
  ])('after a refused resend, keeps the earlier code or makes it invalid: %s', (_, columns, codeLives) => {
    const resent = { ...again, ...columns } as Row;
    for (const reason of [undefined, 'subject_not_found', 'contact_invalid', 'captcha_required'] as const) {
      const end = step.rejected(resent, refusal(reason));
      expect(end).toMatchObject({ signal: 'send_gave_up', facts: { codeLives } });
      const patch = patchOf(resent, end);
      if (codeLives) {
        expect(patch).toMatchObject({ state: 'otp_sent', reason: null });
        for (const kept of ['otpHandle', 'otpTriesLeft', 'otpExpiresAt'])
          expect(patch).not.toHaveProperty(kept);
      } else {
        expect(patch).toMatchObject({
          state: 'otp_needed',
          otpHandle: null,
          otpTriesLeft: 0,
          reason: 'send_failed',
        });
      }
    }
  });

  it('ends the onboarding if a policy forbids the sending, unless an earlier code is valid', () => {
    expect(step.rejected(row, refusal('mfa_needed'))).toMatchObject({ signal: 'step_failed' });
    expect(step.rejected(again, refusal('mfa_needed'))).toMatchObject({
      signal: 'send_gave_up',
      facts: { codeLives: true, result: { code: 'mfa_needed' } },
    });
  });

  it('is parked if the integration is misconfigured, unless an earlier code is valid', () => {
    expect(step.misconfigured(row)).toBeNull();
    expect(step.misconfigured({ ...again, unavailableCount: 1 })).toBeNull();
    expect(step.misconfigured(again)).toMatchObject({
      facts: { codeLives: true, result: { code: 'upstream_misconfigured' } },
    });
  });

  it('keeps the earlier code if no time is left for a retry, unless a new code may have been sent', () => {
    const gaveUp = (unanswered: boolean, columns: Partial<Row> = {}) =>
      step.gaveUp({ ...again, ...columns } as Row, { unanswered });
    expect(gaveUp(false)).toMatchObject({ signal: 'send_gave_up', facts: { codeLives: true } });
    expect(gaveUp(true)).toMatchObject({ facts: { codeLives: false } });
    expect(gaveUp(false, { noAnswerCount: 1 })).toMatchObject({ facts: { codeLives: false } });
  });

  it('may be repeated immediately after a refusal for a missing captcha, even for the first code', () => {
    const end = step.rejected(row, refusal('captcha_required'));
    expect(end).toMatchObject({
      signal: 'send_gave_up',
      facts: { codeLives: false, result: { code: 'captcha_required' } },
    });
    expect(patchOf(row, end).otpResendAt).toEqual(after(0));
    const unsure = { ...row, noAnswerCount: 1 };
    expect(patchOf(unsure, step.rejected(unsure, refusal('captcha_required')))).not.toHaveProperty(
      'otpResendAt',
    );
  });

  it('names the member of the request that contains the invalid contact', () => {
    const ends = [row, { ...row, sealedContact: Buffer.from('sealed') }].map((each) =>
      step.rejected(each, refusal('contact_invalid')),
    );
    expect(ends).toMatchObject(
      ['/subject', '/subject/contact/value'].map((pointer) => ({
        facts: { failure: { errors: [{ pointer }] } },
      })),
    );
  });
});
