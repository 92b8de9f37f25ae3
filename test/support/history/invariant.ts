import type { OnboardingHistory } from './history.js';

/** Facts about a run that its history does not contain. */
export interface Terms {
  sessionMarginMs: number;
  /** The longest delay by the network. */
  networkDelayMs: number;
  /** In ms since 1970. */
  readAt: number;
}

/** @returns a sentence for each contradiction. */
export type Invariant = (onboarding: OnboardingHistory, terms: Terms) => string[];
