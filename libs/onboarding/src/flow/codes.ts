import type { ProblemCode } from '#libs/kernel';

/** The problem that the caller gets for each result code; null if the caller gets the onboarding. */
const RESULTS = {
  otp_invalid: 'otp_invalid',
  otp_expired: 'otp_expired',
  otp_locked: 'otp_locked',
  session_expired: 'session_expired',
  subject_not_found: 'subject_not_found',
  contact_invalid: 'contact_invalid',
  captcha_required: 'captcha_required',
  attestation_invalid: 'attestation_invalid',
  upstream_rejected: 'upstream_rejected',
  consensus_needed: 'upstream_rejected',
  mfa_needed: 'upstream_rejected',
  upstream_unavailable: null,
  upstream_misconfigured: null,
  integration_paused: null,
  outcome_unknown: 'outcome_unknown',
} as const satisfies Record<string, ProblemCode | null>;

export type ResultCode = keyof typeof RESULTS;
export const RESULT_CODES = Object.keys(RESULTS) as [ResultCode, ...ResultCode[]];

export const problemOf = (code: ResultCode): ProblemCode | null => RESULTS[code];

/** A parked onboarding is live, but its step is not tried until an operator has acted. */
export const PARKED_REASONS = [
  'upstream_misconfigured',
  'integration_missing',
  'integration_paused',
] as const;
export type ParkedReason = (typeof PARKED_REASONS)[number];
