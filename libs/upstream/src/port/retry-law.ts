import type { FailureClass } from './upstream-error.js';
import type { StepCall } from './upstream-provider.js';

/** What follows one end of a call. */
export interface Rule {
  /** How many more calls this class allows within one submission. Null: only time and budgets limit them. */
  retries: number | null;
  /** Whether a retry also waits until a resend would be allowed, besides its backoff and `Retry-After`. */
  afterCooldown?: true;
  /** What the end means if no retry is left, or none could end in time. */
  otherwise: 'give_up' | 'outcome_unknown' | 'rejected' | 'park';
}

/** What follows each end of a step's call. */
export type StepLaw = Readonly<Record<FailureClass, Rule>>;

/**
 * A provider's retries as data: what may be retried, when, and what a lost answer means. docs/retry-law.md
 * explains the cells.
 */
export type RetryLaw = Readonly<Record<StepCall, StepLaw>>;

export const AFTER_COOLDOWN = { afterCooldown: true } as const;

export const retry = (
  retries: number | null,
  otherwise: Rule['otherwise'],
  wait?: typeof AFTER_COOLDOWN,
): Rule => ({ retries, otherwise, ...wait });

/** Ends that say for certain what happened to the call. They are the same at every provider. */
export const REFUSED = {
  rejected: retry(0, 'rejected'),
  rejected_unclear: retry(0, 'rejected'),
  misconfigured: retry(0, 'park'),
} as const satisfies Partial<StepLaw>;
