import { describe, expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import {
  DataKeys,
  move,
  openGrant,
  type OnboardingStore,
  type Retention,
  type Row,
  type StepEnd,
  type Steps,
} from '#libs/onboarding';
import { Sealer } from '#libs/platform';
import { aCall, aRow, after, testConfig } from '#libs/testing';
import {
  UpstreamError,
  type OtpProof,
  type RejectionReason,
  type SentOtp,
  type UpstreamProvider,
} from '#libs/upstream';
import { OtpBudget } from './otp-budget.js';
import { VerifyOtpStep } from './verify-otp.step.js';

const config = testConfig({ SESSION_MARGIN_MS: '30000', OTP_WRONG_PER_ONBOARDING: '6' });
const sealer = new Sealer(config.SEALING_KEYS);
const step = new VerifyOtpStep(
  new OtpBudget({} as OnboardingStore, {} as Retention, config),
  {} as Steps,
  new DataKeys(sealer),
  config,
);
const id = 'onboarding-1';
const row = aRow({
  id,
  state: 'otp_submitted',
  step: 'verify-otp',
  subject: { userId: 'u' },
  otpHandle: 'handle-1',
  otpTriesLeft: 2,
  otpWrong: 0,
  sealedOtpCode: sealer.seal({ onboardingId: id, field: 'otp_code' }, '012345'),
});

const moved = (seen: Row, { signal, facts }: StepEnd) =>
  move(seen, signal, facts as never, { now: seen.now, settings: config });

const refusal = (reason?: RejectionReason) =>
  new UpstreamError(reason ? 'rejected' : 'rejected_unclear', {
    detail: 'no',
    evidence: { bytesSent: true, headersSeen: true, status: 400, durationMs: 1 },
    ...(reason && { reason }),
  });

describe('step 2, the verification of a code', () => {
  it('decrypts the code, passes it to the provider, and seals the returned session', async () => {
    const expiresAt = new Date('2026-11-20T10:15:00.000Z');
    const seen: unknown[] = [];
    const provider = {
      verifyOtp: async (
        _call: unknown,
        _subject: unknown,
        sent: SentOtp,
        proof: OtpProof & { type: 'code' },
      ) => {
        seen.push(sent.handle, proof.type, proof.code.reveal());
        return { type: 'upstream-session', sessionId: new Secret('session-1'), expiresAt };
      },
    } as unknown as UpstreamProvider;
    const end = await step.call(provider, aCall(), row);

    expect(seen).toEqual(['handle-1', 'code', '012345']);
    if (end.signal !== 'otp_verified') throw new Error(`it ended as ${end.signal}`);
    const { patch, events, refund } = moved(row, end);
    expect(patch).toMatchObject({
      state: 'otp_verified',
      sessionExpiresAt: expiresAt,
      sessionEndsAt: new Date('2026-11-20T10:14:30.000Z'),
      sealedOtpCode: null,
    });
    const sealed = patch.sealedGrant!;
    expect(sealed.includes('session-1')).toBe(false);
    const grant = openGrant(sealer, id, sealed);
    expect(grant.type === 'upstream-session' && grant.sessionId.reveal()).toBe('session-1');
    expect(grant.expiresAt).toEqual(expiresAt);
    expect(() => openGrant(sealer, 'onboarding-2', sealed)).toThrow();
    expect(refund).toBe('try');
    expect(JSON.stringify(events)).not.toContain('session-1');
  });

  it.each<[RejectionReason | undefined, object, boolean]>([
    ['otp_invalid', { signal: 'otp_rejected', patch: { otpWrong: 1 }, told: { code: 'otp_invalid' } }, false],
    [
      'otp_locked',
      { signal: 'otp_rejected', patch: { otpTriesLeft: 0 }, told: { code: 'otp_locked' } },
      false,
    ],
    [
      'otp_expired',
      { signal: 'otp_expired', patch: { reason: 'otp_expired' }, told: { code: 'otp_expired' } },
      true,
    ],
    [
      'subject_ambiguous',
      {
        signal: 'step_failed',
        told: { code: 'subject_not_found', detail: expect.stringMatching(/Name one of them/) },
      },
      true,
    ],
    [
      'login_refused',
      { signal: 'otp_expired', patch: { reason: 'otp_expired' }, told: { code: 'upstream_rejected' } },
      true,
    ],
    ['consensus_needed', { signal: 'step_failed', told: { code: 'consensus_needed' } }, true],
    ['subject_not_found', { signal: 'step_failed', told: { code: 'subject_not_found' } }, true],
    [undefined, { signal: 'otp_rejected', patch: {}, told: { code: 'upstream_rejected' } }, false],
    ['session_expired', { signal: 'otp_rejected', patch: {}, told: { code: 'upstream_rejected' } }, false],
  ])(
    'turns the provider’s reason for a refusal into a result for the caller: %s',
    (reason, end, refunded) => {
      const ended = step.rejected(row, refusal(reason));
      const { patch, refund } = moved(row, ended);
      expect({ signal: ended.signal, patch, told: patch.failure ?? patch.lastResult }).toMatchObject(end);
      expect(refund).toBe(refunded ? 'try' : null);
      // After a refund, a new code has to wait only for the cooldown.
      expect(patch.otpResendAt).toEqual(refunded ? after(60_000) : undefined);
    },
  );

  it('ends the onboarding at its sixth wrong code', () => {
    expect(step.rejected({ ...row, otpWrong: 4 }, refusal('otp_invalid')).signal).toBe('otp_rejected');
    const fifth = { ...row, otpWrong: 5 };
    const { patch, refund } = moved(fifth, step.rejected(fifth, refusal('otp_invalid')));
    expect(patch).toMatchObject({ state: 'failed', otpWrong: 6, failure: { code: 'otp_locked' } });
    expect(refund).toBeNull();
  });

  it('asks for a new code if no time for a retry is left, and does not refund the try', () => {
    const { patch, refund } = moved(row, step.gaveUp());
    expect(patch).toMatchObject({
      state: 'otp_needed',
      reason: 'otp_expired',
      lastResult: { code: 'otp_expired' },
    });
    expect(refund).toBeNull();
  });
});
