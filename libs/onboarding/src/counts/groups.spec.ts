import { describe, expect, it } from '@jest/globals';
import { LIVE_STATES } from '../flow/table.js';
import { PARTS, earliest, merged, type Group } from './groups.js';

const group = (more: Partial<Group>): Group => ({
  state: 'otp_submitted',
  integration: 'byzantine',
  step: 'verify-otp',
  reason: null,
  waits: true,
  paused: false,
  count: 1,
  began: 10,
  parkedAt: null,
  updatedAt: 20,
  answeredAt: 20,
  nextAttemptAt: 30,
  ...more,
});

describe('the parts of the live states', () => {
  it('together contain each live state exactly once', () => {
    expect([...PARTS.steps, ...PARTS.idle].sort()).toEqual([...LIVE_STATES].sort());
    expect([...PARTS.idle].sort()).toEqual(['otp_needed', 'otp_sent', 'otp_verified']);
  });
});

describe('the groups of several statements', () => {
  it('are added up, and the sum has the earliest times', () => {
    const later = { began: 11, updatedAt: 12, answeredAt: 25, nextAttemptAt: null, count: 2 };
    expect(merged([group({}), group(later)])).toEqual([
      group({ count: 3, began: 10, updatedAt: 12, answeredAt: 20, nextAttemptAt: 30 }),
    ]);
  });

  it.each<Partial<Group>>([
    { state: 'otp_requested' },
    { integration: 'another' },
    { step: 'init-otp' },
    { reason: 'integration_missing' },
    { waits: false },
  ])('are not added up if they differ in %p', (more) => {
    expect(merged([group({}), group(more)])).toHaveLength(2);
  });
});

describe('the earliest time', () => {
  it.each([
    [[3, null, 2], 2],
    [[null, 0], 0],
    [[null], null],
    [[], null],
  ])('of %j is %j', (instants, expected) => {
    expect(earliest(instants)).toBe(expected);
  });
});
