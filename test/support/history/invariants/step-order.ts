import type { StepName } from '#libs/onboarding';
import type { Invariant } from '../invariant.js';
import { isSignal } from '../replay.js';

/** The event that a step needs, the events that undo it, and the event that restores it. */
const NEEDS: Partial<Record<StepName, { success: string; void: string[]; restored?: string }>> = {
  // If a resend fails without an effect, the previous code stays valid.
  'verify-otp': {
    success: 'otp_sent',
    void: ['otp_resend_asked', 'otp_expired', 'otp_verified'],
    restored: 'send_gave_up',
  },
  'create-authenticators': {
    success: 'otp_verified',
    void: ['otp_resend_asked', 'session_expired', 'otp_expired'],
  },
};

export const stepOrder: Invariant = ({ events, calls }) => {
  const found: string[] = [];
  const succeeded = new Map<string, boolean>();
  const beforeVoid = new Map<string, boolean>();
  for (const { seq, type, data } of events) {
    const fact = type === 'late_answer' ? data.answer! : type;
    if (isSignal(fact)) {
      for (const needed of Object.values(NEEDS)) {
        if (needed.success === fact) succeeded.set(needed.success, true);
        if (needed.void.includes(fact)) {
          if (fact === 'otp_resend_asked')
            beforeVoid.set(needed.success, succeeded.get(needed.success) ?? false);
          succeeded.set(needed.success, false);
        }
        if (needed.restored === fact) succeeded.set(needed.success, beforeVoid.get(needed.success) ?? false);
      }
    }
    const needed = type === 'attempt_started' ? NEEDS[data.step!] : undefined;
    if (needed && !succeeded.get(needed.success))
      found.push(`${seq}: ${data.step} without ${needed.success}`);
  }
  let opened = false;
  for (const { step, attempt, otpId, effect } of calls) {
    if (effect?.type === 'session_opened') opened = true;
    // Sort by attempt, because an abandoned call may arrive after later calls.
    const mailed = calls.flatMap((call) =>
      call.effect?.type === 'otp_sent' && call.attempt < attempt ? [call] : [],
    );
    const last = mailed.toSorted((one, other) => one.attempt - other.attempt).at(-1)?.effect;
    const code = last?.type === 'otp_sent' ? last.otpId : null;
    if (step === 'verify-otp' && otpId !== code)
      found.push(
        `call ${attempt}: with code ${otpId}, but the last code mailed before was ${code ?? 'none'}`,
      );
    if (step === 'create-authenticators' && !opened) found.push(`call ${attempt}: no session was open`);
  }
  return found;
};
