import type { Row } from './row.js';
import { stepOfState } from './table.js';

/** What the caller is to do next, and within which instants (RFC 3339). */
export type NextAction =
  /** `until`: when the next try is due; null while the onboarding is parked. */
  | { type: 'wait'; until: string | null }
  | { type: 'submit_otp'; before: string | null }
  | { type: 'resend_otp'; notBefore: string | null }
  | { type: 'submit_authenticators'; before: string | null }
  | { type: 'resolve' }
  | { type: 'none' };

export const NEXT_ACTION_TYPES = [
  'wait',
  'submit_otp',
  'resend_otp',
  'submit_authenticators',
  'resolve',
  'none',
] as const satisfies NextAction['type'][];

/** @param row as it stands now (`asOfNow`). */
export function nextActionOf(row: Row): NextAction {
  if (stepOfState(row.state)) return { type: 'wait', until: instant(waitUntil(row)) };
  switch (row.state) {
    case 'otp_sent':
      if (row.otpTriesLeft > 0 && hasTimeFor(row, row.otpExpiresAt)) {
        return { type: 'submit_otp', before: instant(lastChance(row, row.otpExpiresAt)) };
      }
      return resend(row, row.otpResendAt);
    case 'otp_needed':
      return resend(row, row.otpResendAt);
    case 'otp_verified':
      if (hasTimeFor(row, row.sessionEndsAt)) {
        return { type: 'submit_authenticators', before: instant(lastChance(row, row.sessionEndsAt)) };
      }
      // The session is as good as over; a new code can be asked for once it is.
      return resend(row, later(row.otpResendAt, row.sessionEndsAt));
    case 'outcome_unknown':
      // Either decision on a verification has a new code sent, unless no time is left for that.
      return row.step === 'verify-otp' && !hasTimeFor(row, null) ? { type: 'none' } : { type: 'resolve' };
    default:
      return { type: 'none' };
  }
}

/** What should have happened by now is late: a worker will find it, and to ask all the time would not help. */
const LATE_MS = 1_000;

function waitUntil({ nextAttemptAt, leaseUntil, now }: Row): Date | null {
  const due = nextAttemptAt ?? leaseUntil;
  return due !== null && due <= now ? new Date(now.getTime() + LATE_MS) : due;
}

/** Whether a call that began now would end before the onboarding does, and before what its step hangs on. */
export function hasTimeFor(row: Row, bound: Date | null): boolean {
  return row.now.getTime() + row.callMs <= earlier(bound, row.lifeEndsAt).getTime();
}

/** The last instant for a command whose call is to end in time. Its own acceptance restarts the idle time. */
function lastChance(row: Row, bound: Date | null): Date {
  const lastCall = new Date(earlier(bound, row.lifeEndsAt).getTime() - row.callMs);
  return earlier(lastCall, row.idleEndsAt);
}

/** Nothing is left to do where the onboarding will be over before another code may be sent. */
function resend(row: Row, notBefore: Date | null): NextAction {
  if (later(row.now, notBefore)! > lastChance(row, null)) return { type: 'none' };
  return { type: 'resend_otp', notBefore: instant(notBefore) };
}

const earlier = (a: Date | null, b: Date): Date => (a !== null && a < b ? a : b);
const later = (a: Date | null, b: Date | null): Date | null => (a !== null && (b === null || a > b) ? a : b);

const instant = (at: Date | null) => at?.toISOString() ?? null;
