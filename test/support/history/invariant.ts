import type { OnboardingHistory } from './history.js';

/** What the checker must know of a run besides its history. */
export interface Terms {
  /** SESSION_MARGIN_MS of the run. */
  sessionMarginMs: number;
  /** For how long the network of the run may have held a request back. */
  networkDelayMs: number;
  /** When the history was read. */
  readAt: number;
}

/** @returns what contradicts the invariant, a sentence each. */
export type Invariant = (onboarding: OnboardingHistory, terms: Terms) => string[];
