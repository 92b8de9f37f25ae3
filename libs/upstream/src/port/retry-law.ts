import type { FailureClass } from './upstream-error.js';
import type { StepCall } from './upstream-provider.js';

/** The consequences of one end of a call. */
export interface Rule {
  /** How many retries this failure class allows in one submission. Null: only time and budgets limit them. */
  retries: number | null;
  /** Whether a retry waits until a resend is allowed, in addition to its backoff and `Retry-After`. */
  afterCooldown?: true;
  /** What the end means if no retry is left, or if no retry could end in time. */
  otherwise: 'give_up' | 'outcome_unknown' | 'rejected' | 'park';
}

/** The consequences of each end of a step's call. */
export type StepLaw = Readonly<Record<FailureClass, Rule>>;

/** A provider's retry rules as data (docs/explanation/retry-law.md). */
export type RetryLaw = Readonly<Record<StepCall, StepLaw>>;

export const AFTER_COOLDOWN = { afterCooldown: true } as const;

export const retry = (
  retries: number | null,
  otherwise: Rule['otherwise'],
  wait?: typeof AFTER_COOLDOWN,
): Rule => ({ retries, otherwise, ...wait });

/** Ends after which the effect of the call is certain. They have the same rules at every provider. */
export const REFUSED = {
  rejected: retry(0, 'rejected'),
  rejected_unclear: retry(0, 'rejected'),
  misconfigured: retry(0, 'park'),
} as const satisfies Partial<StepLaw>;
