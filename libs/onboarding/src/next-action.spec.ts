import { describe, expect, it } from '@jest/globals';
import { aRow, after } from '#libs/testing';
import { ENDED_STATES, STATES, STATE_OF_STEP, STEPS } from './machine.js';
import { NEXT_ACTION_TYPES, nextActionOf } from './next-action.js';

const text = (ms: number) => after(ms).toISOString();

describe('nextActionOf', () => {
  it.each(STEPS)('has the caller wait for %s: until the next try, or else until the call is over', (step) => {
    const row = aRow({ state: STATE_OF_STEP[step], step, leaseUntil: after(30_000) });
    expect(nextActionOf(row)).toEqual({ type: 'wait', until: text(30_000) });
    expect(nextActionOf({ ...row, leaseUntil: null, nextAttemptAt: after(500) })).toEqual({
      type: 'wait',
      until: text(500),
    });
    expect(nextActionOf({ ...row, leaseUntil: null, parkedReason: 'integration_missing' })).toEqual({
      type: 'wait',
      until: null,
    });
  });

  it('asks for the code while it has tries and lives', () => {
    expect(nextActionOf(aRow())).toEqual({ type: 'submit_otp', before: text(300_000) });
  });

  it('offers a new code when the old one has no tries left, and when one is needed', () => {
    const resend = { type: 'resend_otp', notBefore: text(60_000) };
    expect(nextActionOf(aRow({ otpTriesLeft: 0 }))).toEqual(resend);
    expect(nextActionOf(aRow({ state: 'otp_needed', reason: 'session_expired' }))).toEqual(resend);
  });

  it('asks for the passkeys before whatever ends first', () => {
    const row = aRow({ state: 'otp_verified', sessionEndsAt: after(900_000), deadlineAt: after(400_000) });
    expect(nextActionOf(row)).toEqual({ type: 'submit_authenticators', before: text(400_000) });
  });

  it('asks for a decision where the outcome is unknown, and for nothing at the end', () => {
    expect(nextActionOf(aRow({ state: 'outcome_unknown', step: 'verify-otp' }))).toEqual({ type: 'resolve' });
    for (const state of ENDED_STATES)
      expect(nextActionOf(aRow({ state, deadlineAt: null }))).toEqual({ type: 'none' });
  });

  it('knows an action for every state', () => {
    for (const state of STATES) expect(NEXT_ACTION_TYPES).toContain(nextActionOf(aRow({ state })).type);
  });
});
