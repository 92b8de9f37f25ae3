import { describe, expect, it } from '@jest/globals';
import { STATES, type State } from './machine.js';
import { SEALED, needs, statesThatNeed, wipedIn } from './secrets.js';

/** Written out by hand: the states in which something of a secret may lie in the database. */
const KEPT: Partial<Record<State, string[]>> = {
  otp_requested: ['sealedRequests'],
  otp_submitted: ['sealedOtpCode', 'sealedRequests'],
  otp_verified: ['sealedGrant'],
  authenticators_submitted: ['sealedGrant', 'sealedAuthenticators', 'sealedRequests'],
  outcome_unknown: ['sealedGrant'],
};

describe('secrets', () => {
  it.each(STATES)('of %s are the ones that it needs, and all others are wiped', (state) => {
    const kept = KEPT[state] ?? [];
    expect(SEALED.filter((field) => needs(state, field))).toEqual(kept);
    const wiped = SEALED.filter((field) => !kept.includes(field));
    expect(wipedIn(state)).toEqual(Object.fromEntries(wiped.map((field) => [field, null])));
  });

  it.each(SEALED)('%s is needed by the same states, asked the other way round', (field) => {
    expect(statesThatNeed(field)).toEqual(STATES.filter((state) => needs(state, field)));
    expect(statesThatNeed(field).length).toBeGreaterThan(0);
  });
});
