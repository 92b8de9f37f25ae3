import type { Operation, OperationAction } from '#libs/onboarding';
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

/** What an operation does, in words. */
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
