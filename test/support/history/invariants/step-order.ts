import type { StepName } from '#libs/onboarding';
import type { Invariant } from '../invariant.js';
import { isSignal } from '../replay.js';

/** The signal that a step must have been preceded by, and those that void it again. */
const NEEDS: Partial<Record<StepName, { success: string; void: string[] }>> = {
  'verify-otp': { success: 'otp_sent', void: ['otp_resend_asked', 'otp_expired', 'send_gave_up'] },
  'create-authenticators': {
    success: 'otp_verified',
    void: ['otp_resend_asked', 'session_expired', 'otp_expired'],
  },
};

export const stepOrder: Invariant = ({ events, calls }) => {
  const found: string[] = [];
  const succeeded = new Map<string, boolean>();
  for (const { seq, type, data } of events) {
    const fact = type === 'late_answer' ? data.answer! : type;
    if (isSignal(fact)) {
      for (const needed of Object.values(NEEDS)) {
        if (needed.success === fact) succeeded.set(needed.success, true);
        if (needed.void.includes(fact)) succeeded.set(needed.success, false);
      }
    }
    const needed = type === 'attempt_started' ? NEEDS[data.step!] : undefined;
    if (needed && !succeeded.get(needed.success))
      found.push(`${seq}: ${data.step} without ${needed.success}`);
  }
  const mailed = new Set<string>();
  let opened = false;
  for (const { step, attempt, otpId, effect } of calls) {
    if (effect?.type === 'otp_sent' && effect.otpId) mailed.add(effect.otpId);
    if (effect?.type === 'session_opened') opened = true;
    if (step === 'verify-otp' && !mailed.has(otpId ?? ''))
      found.push(`call ${attempt}: no code ${otpId} was mailed`);
    if (step === 'create-authenticators' && !opened) found.push(`call ${attempt}: no session was open`);
  }
  return found;
};
