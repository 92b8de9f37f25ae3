import { describe, expect, it } from '@jest/globals';
import { ProblemError } from '#libs/kernel';
import { aRow } from '#libs/testing';
import type { ResultCode } from '../flow/codes.js';
import type { LastResult, Row } from '../flow/row.js';
import { STEPS, stateOfStep, type StepName } from '../flow/table.js';
import { throwIfFailed } from './first-attempt.js';

const result = (code: ResultCode, more: Partial<LastResult> = {}): LastResult => ({
  step: 'verify-otp',
  code,
  detail: `detail of ${code}`,
  at: '2026-11-20T10:00:00.000Z',
  ...more,
});

function refusalOf(row: Row, step: StepName = 'verify-otp'): ProblemError | null {
  try {
    throwIfFailed(row, step);
    return null;
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
}

describe('the check of a step’s result', () => {
  it.each(STEPS)('does not throw while %s runs, regardless of how an earlier try ended', (step) => {
    const row = aRow({ state: stateOfStep(step), step, lastResult: result('upstream_unavailable') });
    expect(refusalOf(row)).toBeNull();
  });

  it.each<[ResultCode, number]>([
    ['otp_invalid', 422],
    ['otp_expired', 410],
    ['otp_locked', 409],
    ['session_expired', 410],
    ['subject_not_found', 422],
    ['attestation_invalid', 422],
    ['upstream_rejected', 422],
    ['outcome_unknown', 409],
  ])('reports %s to the caller with status %d', (code, status) => {
    expect(refusalOf(aRow({ lastResult: result(code) }))).toMatchObject({
      code,
      status,
      message: `detail of ${code}`,
    });
  });

  it.each<ResultCode>(['upstream_unavailable', 'upstream_misconfigured'])(
    'does not throw for %s, because the caller is not the cause',
    (code) => {
      expect(
        refusalOf(aRow({ state: 'otp_needed', reason: 'send_failed', lastResult: result(code) })),
      ).toBeNull();
    },
  );

  it('does not throw for a step that succeeded', () => {
    expect(refusalOf(aRow({ state: 'otp_verified' }))).toBeNull();
    expect(refusalOf(aRow({ state: 'completed' }))).toBeNull();
  });

  it('throws if another command changed the onboarding before the step ended', () => {
    // The outcome of the step was lost, an operator resolved it as "not done", and a new code was sent.
    const overtaken = refusalOf(aRow({ state: 'otp_sent', lastResult: null }));
    expect(overtaken).toMatchObject({
      code: 'illegal_state',
      status: 409,
      message: expect.stringContaining('Another command'),
    });
    expect(overtaken!.extensions).toMatchObject({ nextAction: { type: 'submit_otp' } });
    expect(refusalOf(aRow({ state: 'otp_verified' }), 'create-authenticators')).toMatchObject({
      code: 'illegal_state',
    });
    expect(refusalOf(aRow({ state: 'otp_sent' }), 'init-otp')).toBeNull();
    // The step succeeded, but its session has expired.
    const over = aRow({ state: 'otp_needed', reason: 'session_expired' });
    expect(refusalOf(over)).toMatchObject({
      code: 'session_expired',
      status: 410,
      message: 'Ask for a new code.',
    });
  });

  it('does not report the failure of a later step', () => {
    expect(refusalOf(aRow({ lastResult: result('otp_invalid') }), 'init-otp')).toBeNull();
    const lost = aRow({
      state: 'outcome_unknown',
      step: 'verify-otp',
      lastResult: result('outcome_unknown'),
    });
    expect(refusalOf(lost, 'init-otp')).toBeNull();
    const failure = { ...result('otp_locked'), upstreamStatus: 400 };
    expect(refusalOf(aRow({ state: 'failed', failure }), 'init-otp')).toMatchObject({
      code: 'onboarding_ended',
    });
  });

  it('throws a problem that contains the state and the next action', () => {
    const refusal = refusalOf(aRow({ otpTriesLeft: 1, lastResult: result('otp_invalid') }));
    expect(refusal!.extensions).toMatchObject({
      onboardingId: aRow().id,
      state: 'otp_sent',
      attemptsLeft: 1,
      nextAction: { type: 'submit_otp' },
    });
    const errors = [{ pointer: '/authenticators', code: 'upstream_refused' as const, detail: 'no' }];
    const passkey = refusalOf(
      aRow({ state: 'otp_verified', lastResult: result('attestation_invalid', { errors }) }),
    );
    expect(passkey!.errors).toEqual(errors);
    expect(passkey!.extensions).not.toHaveProperty('attemptsLeft');
  });

  it('reports the failure that ended the onboarding, or its cancellation or expiry', () => {
    const failure = {
      code: 'otp_locked',
      detail: 'too many',
      step: 'verify-otp',
      upstreamStatus: 400,
      at: 'then',
    } as const;
    expect(refusalOf(aRow({ state: 'failed', failure, lastResult: result('otp_invalid') }))).toMatchObject({
      code: 'otp_locked',
    });
    expect(refusalOf(aRow({ state: 'cancelled' }))).toMatchObject({
      code: 'onboarding_ended',
      status: 410,
      message: 'The onboarding is now cancelled.',
    });
    expect(refusalOf(aRow({ state: 'expired' }))).toMatchObject({ code: 'onboarding_ended' });
  });
});
