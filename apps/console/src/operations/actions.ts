import {
  LIVE_STATES,
  STATES,
  STEPS,
  stateOfStep,
  statesFor,
  type Operation,
  type OperationAction,
  type State,
  type StepName,
} from '#libs/onboarding';
import type { Role } from '#libs/operators';

export const ACTION_WORDS: Record<OperationAction, string> = {
  retry: 'Retry now',
  resolve_done: 'Resolve: it was done',
  resolve_not_done: 'Resolve: it was not done',
  resend: 'Send a new code',
  cancel: 'Cancel',
  erase: 'Erase personal data',
};

/** An erasure needs an admin, because it cannot be undone. */
export const roleOfAction = (action: OperationAction): Role => (action === 'erase' ? 'admin' : 'operator');

/** The states in which an action is possible. The worker checks each onboarding again. */
export const STATES_OF_ACTION: Record<OperationAction, readonly State[]> = {
  retry: STEPS.map(stateOfStep),
  resolve_done: ['outcome_unknown'],
  resolve_not_done: ['outcome_unknown'],
  resend: statesFor('otp_resend_asked'),
  cancel: LIVE_STATES,
  erase: STATES,
};

/**
 * The only step for which an action is possible. An operator cannot resolve a code check as done, because the
 * next step needs the session in the lost answer.
 */
export const ONLY_STEP_OF_ACTION: Partial<Record<OperationAction, StepName>> = {
  resolve_done: 'create-authenticators',
};

export function titleOf({ action, target }: Pick<Operation, 'action' | 'target'>): string {
  switch (action) {
    case 'pause_integration':
      return `Pause ${String(target['integration'])}`;
    case 'resume_integration':
      return `Resume ${String(target['integration'])}`;
    case 'rebuild_wake_ups':
      return 'Rebuild the wake-ups';
    default:
      return ACTION_WORDS[action];
  }
}
