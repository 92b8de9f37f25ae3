import type { FailureClass } from './upstream-error.js';
import type { StepCall } from './upstream-provider.js';

/** What follows when a call ends with one failure class. */
export interface Rule {
  /**
   * How many retries this failure class allows in one submission. Null: only the time and the budgets limit
   * them.
   */
  retries: number | null;
  /** Whether a retry also waits until a resend is allowed, in addition to its backoff and `Retry-After`. */
  afterCooldown?: true;
  /** What happens if no retry is left, or if no retry could end in time. */
  otherwise: 'give_up' | 'outcome_unknown' | 'rejected' | 'park';
}

/** The rules of one step: what follows for each failure class. */
export type StepLaw = Readonly<Record<FailureClass, Rule>>;

/** A provider's retry rules as data (docs/explanation/retry-law.md). */
export type RetryLaw = Readonly<Record<StepCall, StepLaw>>;

export const AFTER_COOLDOWN = { afterCooldown: true } as const;

export const retry = (
  retries: number | null,
  otherwise: Rule['otherwise'],
  wait?: typeof AFTER_COOLDOWN,
): Rule => ({ retries, otherwise, ...wait });

/**
 * The rules for failures after which the call certainly had no effect. They are the same at each provider.
 */
export const REFUSED = {
  rejected: retry(0, 'rejected'),
  rejected_unclear: retry(0, 'rejected'),
  misconfigured: retry(0, 'park'),
} as const satisfies Partial<StepLaw>;
