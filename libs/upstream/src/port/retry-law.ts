import type { FailureClass } from './upstream-error.js';
import type { StepCall } from './upstream-provider.js';

/** What happens if no retry is left, or if no retry could end in time. */
export type Otherwise = 'give_up' | 'outcome_unknown' | 'rejected' | 'park';

export interface Rule<O extends Otherwise = Otherwise> {
  /** Per command. Null: as many as the deadline and the subject's limits allow. */
  retries: number | null;
  /** Whether a retry also waits until a resend is allowed. */
  afterCooldown?: true;
  otherwise: O;
}

export type StepLaw<O extends Otherwise = Otherwise> = Readonly<Record<FailureClass, Rule<O>>>;

/**
 * A provider's retry rules (docs/explanation/retry-law.md). The state machine has no unknown outcome for
 * `init-otp`, because the user can ask for a new code.
 */
export type RetryLaw = Readonly<
  Record<StepCall, StepLaw> & Record<'init-otp', StepLaw<Exclude<Otherwise, 'outcome_unknown'>>>
>;

export const AFTER_COOLDOWN = { afterCooldown: true } as const;

export const retry = <const O extends Otherwise>(
  retries: number | null,
  otherwise: O,
  wait?: typeof AFTER_COOLDOWN,
): Rule<O> => ({ retries, otherwise, ...wait });

/** At each provider, a call with one of these failures certainly had no effect. */
export const REFUSED = {
  rejected: retry(0, 'rejected'),
  rejected_unclear: retry(0, 'rejected'),
  misconfigured: retry(0, 'park'),
} as const satisfies Partial<StepLaw>;
