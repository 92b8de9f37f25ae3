import type { FailureClass } from './upstream-error.js';
import type { StepCall } from './upstream-provider.js';

/** What follows one end of a call. */
export interface Rule {
  /** How many more calls this class allows within one submission; null where only time and budgets bound it. */
  retries: number | null;
  /** `backoff`: jittered. `as_told`: no sooner than `Retry-After`. `cooldown`: no sooner than a resend may be. */
  wait: 'backoff' | 'as_told' | 'cooldown';
  /** What it means when no retry is left, or none could end in time. */
  otherwise: 'give_up' | 'deadline' | 'outcome_unknown' | 'rejected' | 'park';
}

/** What follows each end of a step's call. */
export type StepLaw = Readonly<Record<FailureClass, Rule>>;

/**
 * What may be retried at a provider, when, and what a lost answer means, as data. docs/retry-law.md explains the
 * cells.
 */
export type RetryLaw = Readonly<Record<StepCall, StepLaw>>;

export const retry = (retries: number | null, wait: Rule['wait'], otherwise: Rule['otherwise']): Rule => ({
  retries,
  wait,
  otherwise,
});

const rejected: Rule = { retries: 0, wait: 'backoff', otherwise: 'rejected' };

/** Ends that tell for certain what became of the call: the same at every provider. */
export const REFUSED = {
  rejected,
  rejected_unclear: rejected,
  misconfigured: { retries: 0, wait: 'backoff', otherwise: 'park' },
} as const satisfies Partial<StepLaw>;
