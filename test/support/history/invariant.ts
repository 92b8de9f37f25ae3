import type { OnboardingHistory } from './history.js';

/** Facts about a run that its history does not contain. */
export interface Terms {
  sessionMarginMs: number;
  /** The longest time for which the network may have delayed a request. */
  networkDelayMs: number;
  /** When the history was read, in ms since 1970. */
  readAt: number;
}

/** @returns a sentence for each contradiction to the rule. */
export type Invariant = (onboarding: OnboardingHistory, terms: Terms) => string[];
