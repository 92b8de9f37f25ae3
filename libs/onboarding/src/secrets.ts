import { STATES, type State } from './machine.js';
import type { Patch } from './statement.js';

/** The sealed columns. */
export const SEALED = ['sealedOtpCode', 'sealedGrant', 'sealedAuthenticators', 'sealedRequests'] as const;
export type SealedField = (typeof SEALED)[number];

/** Which secrets a state still needs. `outcome_unknown` keeps the grant: it may lead back into the session. */
const NEEDED: Partial<Record<State, readonly SealedField[]>> = {
  otp_requested: ['sealedRequests'],
  otp_submitted: ['sealedOtpCode', 'sealedRequests'],
  otp_verified: ['sealedGrant'],
  authenticators_submitted: ['sealedGrant', 'sealedAuthenticators', 'sealedRequests'],
  outcome_unknown: ['sealedGrant'],
};

export const needs = (state: State, field: SealedField) => NEEDED[state]?.includes(field) ?? false;

/** Wipes what a state does not need any more. */
export function wipedIn(state: State): Patch {
  const unneeded = SEALED.filter((field) => !needs(state, field));
  return Object.fromEntries(unneeded.map((field) => [field, null]));
}

/** The states that need a sealed column, for the batch that wipes in SQL. */
export const statesThatNeed = (field: SealedField) => STATES.filter((state) => needs(state, field));
