import type { Row } from './row.js';
import { stepOfState } from './table.js';

/** The caller's next action, with its time limits (RFC 3339). */
export type NextAction =
  /** `until`: when the next try is due or the call's lease ends; null while the onboarding is parked. */
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

/** @param row the row that `asOfNow` returns. */
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
      // The session is too short for a call. After it, the caller can ask for a new code.
      return resend(row, later(row.otpResendAt, row.sessionEndsAt));
    case 'outcome_unknown':
      // A decision about a verification may send a new code, so it needs time for that call.
      return row.step === 'verify-otp' && !hasTimeFor(row, null) ? { type: 'none' } : { type: 'resolve' };
    default:
      return { type: 'none' };
  }
}

/**
 * If a worker is late, `until` is this far in the future, so that the caller does not poll without a pause.
 */
const LATE_MS = 1_000;

function waitUntil({ nextAttemptAt, leaseUntil, now }: Row): Date | null {
  const due = nextAttemptAt ?? leaseUntil;
  return due !== null && due <= now ? new Date(now.getTime() + LATE_MS) : due;
}

/** Whether a call that starts now would end before the onboarding ends, and before `bound`. */
export function hasTimeFor(row: Row, bound: Date | null): boolean {
  return row.now.getTime() + row.callMs <= earlier(bound, row.lifeEndsAt).getTime();
}

/**
 * @returns the last instant at which a command can begin its call. The idle time needs no margin for the
 *   call, because the command restarts it.
 */
function lastChance(row: Row, bound: Date | null): Date {
  const lastCall = new Date(earlier(bound, row.lifeEndsAt).getTime() - row.callMs);
  return earlier(lastCall, row.idleEndsAt);
}

/** @returns `none` if the onboarding ends before another code may be sent. */
function resend(row: Row, notBefore: Date | null): NextAction {
  if (later(row.now, notBefore)! > lastChance(row, null)) return { type: 'none' };
  return { type: 'resend_otp', notBefore: instant(notBefore) };
}

const earlier = (a: Date | null, b: Date): Date => (a !== null && a < b ? a : b);
const later = (a: Date | null, b: Date | null): Date | null => (a !== null && (b === null || a > b) ? a : b);

const instant = (at: Date | null) => at?.toISOString() ?? null;
