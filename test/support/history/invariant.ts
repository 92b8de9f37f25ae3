import type { OnboardingHistory } from './history.js';

/** The facts about a run that its history does not contain. */
export interface Terms {
  /** SESSION_MARGIN_MS of the run. */
  sessionMarginMs: number;
  /** The longest time for which the run's network may have held a request back. */
  networkDelayMs: number;
  /** When the history was read. */
  readAt: number;
}

/** @returns what contradicts the invariant, a sentence each. */
export type Invariant = (onboarding: OnboardingHistory, terms: Terms) => string[];
