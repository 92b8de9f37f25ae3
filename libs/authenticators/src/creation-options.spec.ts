import { describe, expect, it } from '@jest/globals';
import { aRow, after } from '#libs/testing';
import { timeoutOf } from './creation-options.js';

const LIFE_MS = 300_000;

describe('the timeout that a browser gets', () => {
  const verified = (sessionMs: number, more: object = {}) =>
    timeoutOf(aRow({ state: 'otp_verified', sessionEndsAt: after(sessionMs), ...more }), LIFE_MS);

  it('is the lifetime of the challenge if the session lasts longer', () => {
    expect(verified(900_000)).toBe(LIFE_MS);
  });

  it('leaves time for one call before the session ends, and is within the onboarding’s idle time', () => {
    expect(verified(130_000)).toBe(120_000);
    expect(verified(900_000, { idleEndsAt: after(60_000) })).toBe(60_000);
  });

  it('is never 0, because browsers would use their own default', () => {
    expect(verified(10_000)).toBe(1);
    expect(timeoutOf(aRow({ state: 'otp_verified', sessionEndsAt: after(900_000) }), 0.5)).toBe(1);
  });

  it('is a whole number', () => {
    expect(timeoutOf(aRow({ state: 'otp_verified', sessionEndsAt: after(900_000) }), 1500.7)).toBe(1500);
  });
});
