import { describe, expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import {
  DataKeys,
  openGrant,
  type OnboardingStore,
  type Retention,
  type Row,
  type Steps,
} from '#libs/onboarding';
import { Sealer } from '#libs/platform';
import { aCall, testConfig } from '#libs/testing';
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
const row = {
  id,
  sealedDataKey: null,
  subject: { userId: 'u' },
  otpHandle: 'handle-1',
  otpTriesLeft: 2,
  otpWrong: 0,
  sealedOtpCode: sealer.seal({ onboardingId: id, field: 'otp_code' }, '012345'),
} as unknown as Row;

const refusal = (reason?: RejectionReason) =>
  new UpstreamError(reason ? 'rejected' : 'rejected_unclear', {
    detail: 'no',
    evidence: { bytesSent: true, headersSeen: true, status: 400, durationMs: 1 },
    ...(reason && { reason }),
  });

describe('step 2', () => {
  it('hands the opened code to the provider, and seals the session that comes back', async () => {
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
    expect(end).toMatchObject({
      signal: 'otp_verified',
      patch: { sessionExpiresAt: expiresAt, sessionEndsAt: new Date('2026-11-20T10:14:30.000Z') },
    });
    const sealed = end.patch!.sealedGrant as Buffer;
    expect(sealed.includes('session-1')).toBe(false);
    const grant = openGrant(sealer, id, sealed);
    expect(grant.type === 'upstream-session' && grant.sessionId.reveal()).toBe('session-1');
    expect(grant.expiresAt).toEqual(expiresAt);
    expect(() => openGrant(sealer, 'onboarding-2', sealed)).toThrow();
    expect(end.clauses!.map(({ name }) => name)).toEqual(['try_refunded']);
    expect(JSON.stringify(end.data)).not.toContain('session-1');
  });

  it.each<[RejectionReason | undefined, object, boolean]>([
    [
      'otp_invalid',
      { signal: 'otp_rejected', patch: { otpWrong: 1 }, result: { code: 'otp_invalid' } },
      false,
    ],
    [
      'otp_locked',
      { signal: 'otp_rejected', patch: { otpTriesLeft: 0 }, result: { code: 'otp_locked' } },
      false,
    ],
    [
      'otp_expired',
      { signal: 'otp_expired', patch: { reason: 'otp_expired' }, result: { code: 'otp_expired' } },
      true,
    ],
    [
      'subject_ambiguous',
      {
        signal: 'step_failed',
        failure: { code: 'subject_not_found', detail: expect.stringMatching(/name one/) },
      },
      true,
    ],
    [
      'login_refused',
      { signal: 'otp_expired', patch: { reason: 'otp_expired' }, result: { code: 'upstream_rejected' } },
      true,
    ],
    ['consensus_needed', { signal: 'step_failed', failure: { code: 'consensus_needed' } }, true],
    ['subject_not_found', { signal: 'step_failed', failure: { code: 'subject_not_found' } }, true],
    [undefined, { signal: 'otp_rejected', result: { code: 'upstream_rejected' } }, false],
    ['session_expired', { signal: 'otp_rejected', result: { code: 'upstream_rejected' } }, false],
  ])('refused for %s', (reason, end, refunded) => {
    const ended = step.rejected(row, refusal(reason));
    expect(ended).toMatchObject(end);
    expect((ended.clauses ?? []).some(({ name }) => name === 'try_refunded')).toBe(refunded);
  });

  it('ends the onboarding at its sixth wrong code', () => {
    expect(step.rejected({ ...row, otpWrong: 4 }, refusal('otp_invalid')).signal).toBe('otp_rejected');
    expect(step.rejected({ ...row, otpWrong: 5 }, refusal('otp_invalid'))).toMatchObject({
      signal: 'step_failed',
      patch: { otpWrong: 6 },
      failure: { code: 'otp_locked' },
    });
  });

  it('charges a submission once, and each attempt that may have counted upstream', () => {
    expect(step.claimClauses({ first: true })).toHaveLength(1);
    expect(step.claimClauses({ first: false })).toEqual([]);
    expect(step.counted(row)).toEqual({ otpTriesLeft: 1 });
    expect(step.counted({ ...row, otpTriesLeft: 0 })).toEqual({ otpTriesLeft: 0 });
  });
});
