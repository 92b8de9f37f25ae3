import { describe, expect, it } from '@jest/globals';
import { aRow, after } from '#libs/testing';
import { timeoutOf } from './creation-options.js';

const LIFE_MS = 300_000;

describe('the time that a browser may take for a passkey', () => {
  const verified = (sessionMs: number, more: object = {}) =>
    timeoutOf(aRow({ state: 'otp_verified', sessionEndsAt: after(sessionMs), ...more }), LIFE_MS);

  it('is its challenge’s, where the session lasts longer', () => {
    expect(verified(900_000)).toBe(LIFE_MS);
  });

  it('is what is left of the session less the call that it is for, or of the idle time', () => {
    expect(verified(130_000)).toBe(120_000);
    expect(verified(900_000, { idleEndsAt: after(60_000) })).toBe(60_000);
  });

  it('is never none, which would be the browser’s own choice', () => {
    expect(verified(10_000)).toBe(1);
    expect(timeoutOf(aRow({ state: 'otp_verified', sessionEndsAt: after(900_000) }), 0.5)).toBe(1);
  });

  it('is whole', () => {
    expect(timeoutOf(aRow({ state: 'otp_verified', sessionEndsAt: after(900_000) }), 1500.7)).toBe(1500);
  });
});
