import type { OperationAction } from '#libs/onboarding';
import type { Role } from '#libs/operators';

export const ACTION_WORDS: Record<OperationAction, string> = {
  retry: 'Retry now',
  resolve_done: 'Resolve: it was done',
  resolve_not_done: 'Resolve: it was not done',
  resend: 'Send a new code',
  cancel: 'Cancel',
  erase: 'Erase personal data',
};

/** An erasure cannot be undone. */
export const roleOfAction = (action: OperationAction): Role => (action === 'erase' ? 'admin' : 'operator');
