import { stepOfState } from './machine.js';
import type { Row } from './onboarding.store.js';

export const NEXT_ACTION_TYPES = [
  'wait',
  'submit_otp',
  'resend_otp',
  'submit_authenticators',
  'resolve',
  'none',
] as const;

/** What the caller is to do next, and within which instants (RFC 3339). */
export interface NextAction {
  type: (typeof NEXT_ACTION_TYPES)[number];
  /** With `wait`: when the next try is due; null while the onboarding is parked. */
  until?: string | null;
  /** With `resend_otp`. */
  notBefore?: string | null;
  /** With `submit_otp` and `submit_authenticators`. */
  before?: string | null;
}

/** @param row as it stands now (`asOfNow`). */
export function nextActionOf(row: Row): NextAction {
  if (stepOfState(row.state)) return { type: 'wait', until: instant(row.nextAttemptAt ?? row.leaseUntil) };
  switch (row.state) {
    case 'otp_sent':
      return row.otpTriesLeft > 0 ? { type: 'submit_otp', before: instant(row.deadlineAt) } : resend(row);
    case 'otp_needed':
      return resend(row);
    case 'otp_verified':
      return { type: 'submit_authenticators', before: instant(row.deadlineAt) };
    case 'outcome_unknown':
      return { type: 'resolve' };
    default:
      return { type: 'none' };
  }
}

const resend = (row: Row): NextAction => ({ type: 'resend_otp', notBefore: instant(row.otpResendAt) });

const instant = (at: Date | null) => at?.toISOString() ?? null;
