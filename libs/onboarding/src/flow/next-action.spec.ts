import { describe, expect, it } from '@jest/globals';
import { aRow, after } from '#libs/testing';
import { NEXT_ACTION_TYPES, nextActionOf } from './next-action.js';
import { ENDED_STATES, STATES, STEPS, stateOfStep } from './table.js';

const text = (ms: number) => after(ms).toISOString();

describe('nextActionOf', () => {
  it.each(STEPS)('lets the caller wait for %s until the next try or the end of the call', (step) => {
    const row = aRow({ state: stateOfStep(step), step, leaseUntil: after(30_000) });
    expect(nextActionOf(row)).toEqual({ type: 'wait', until: text(30_000) });
    expect(nextActionOf({ ...row, leaseUntil: null, nextAttemptAt: after(500) })).toEqual({
      type: 'wait',
      until: text(500),
    });
    // `until` is not in the past even if the worker is late.
    for (const late of [{ leaseUntil: after(-1) }, { leaseUntil: null, nextAttemptAt: after(-60_000) }]) {
      expect(nextActionOf({ ...row, ...late })).toEqual({ type: 'wait', until: text(1_000) });
    }
    expect(nextActionOf({ ...row, leaseUntil: null, parkedReason: 'integration_missing' })).toEqual({
      type: 'wait',
      until: null,
    });
  });

  it('asks for the code while a call can end before the code expires, then offers a new code', () => {
    expect(nextActionOf(aRow())).toEqual({ type: 'submit_otp', before: text(290_000) });
    expect(nextActionOf(aRow({ now: after(290_000) }))).toEqual({
      type: 'submit_otp',
      before: text(290_000),
    });
    expect(nextActionOf(aRow({ now: after(290_001) }))).toEqual({
      type: 'resend_otp',
      notBefore: text(60_000),
    });
  });

  it('asks for the code until the idle time ends, without a margin for the call', () => {
    expect(nextActionOf(aRow({ idleEndsAt: after(295_000) }))).toMatchObject({ before: text(290_000) });
    expect(nextActionOf(aRow({ idleEndsAt: after(100_000) }))).toMatchObject({ before: text(100_000) });
  });

  it('asks for nothing if the onboarding ends too soon for another code or another call', () => {
    const none = { type: 'none' };
    expect(nextActionOf(aRow({ lifeEndsAt: after(9_999) }))).toEqual(none);
    expect(nextActionOf(aRow({ state: 'otp_needed', idleEndsAt: after(59_999) }))).toEqual(none);
    expect(nextActionOf(aRow({ state: 'otp_needed', lifeEndsAt: after(69_999) }))).toEqual(none);
    expect(nextActionOf(aRow({ state: 'otp_needed', lifeEndsAt: after(70_000) }))).toMatchObject({
      type: 'resend_otp',
    });
    const verified = aRow({ state: 'otp_verified', sessionEndsAt: after(900_000), lifeEndsAt: after(9_999) });
    expect(nextActionOf(verified)).toEqual(none);
  });

  it('offers a new code if the old one has no tries left, or if the state is otp_needed', () => {
    const resend = { type: 'resend_otp', notBefore: text(60_000) };
    expect(nextActionOf(aRow({ otpTriesLeft: 0 }))).toEqual(resend);
    expect(nextActionOf(aRow({ state: 'otp_needed', reason: 'session_expired' }))).toEqual(resend);
  });

  it('asks for the passkeys before the earliest deadline', () => {
    const row = aRow({ state: 'otp_verified', sessionEndsAt: after(900_000), idleEndsAt: after(1_800_000) });
    expect(nextActionOf(row)).toEqual({ type: 'submit_authenticators', before: text(890_000) });
    expect(nextActionOf({ ...row, lifeEndsAt: after(400_000) })).toMatchObject({ before: text(390_000) });
    expect(nextActionOf({ ...row, idleEndsAt: after(300_000) })).toMatchObject({ before: text(300_000) });
  });

  it('offers a new code after the session if the session is too short for a call', () => {
    const row = aRow({ state: 'otp_verified', sessionEndsAt: after(9_999) });
    expect(nextActionOf(row)).toEqual({ type: 'resend_otp', notBefore: text(60_000) });
    expect(nextActionOf({ ...row, otpResendAt: after(-1) })).toEqual({
      type: 'resend_otp',
      notBefore: text(9_999),
    });
  });

  it('asks for a decision if the outcome is unknown, and for nothing once the onboarding has ended', () => {
    expect(nextActionOf(aRow({ state: 'outcome_unknown', step: 'verify-otp' }))).toEqual({ type: 'resolve' });
    const late = { state: 'outcome_unknown', lifeEndsAt: after(9_999) } as const;
    expect(nextActionOf(aRow({ ...late, step: 'verify-otp' }))).toEqual({ type: 'none' });
    expect(nextActionOf(aRow({ ...late, step: 'create-authenticators' }))).toEqual({ type: 'resolve' });
    for (const state of ENDED_STATES) expect(nextActionOf(aRow({ state }))).toEqual({ type: 'none' });
  });

  it('returns an action for every state', () => {
    for (const state of STATES) expect(NEXT_ACTION_TYPES).toContain(nextActionOf(aRow({ state })).type);
  });
});
