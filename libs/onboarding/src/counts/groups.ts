import type { ParkedReason } from '../flow/codes.js';
import { LIVE_STATES, stepOfState, type LiveState, type StepName } from '../flow/table.js';

/** `steps` has few rows, which operators must see soon. `idle` has the states that wait for the user. */
export const PARTS = {
  steps: LIVE_STATES.filter((state) => stepOfState(state) !== null || state === 'outcome_unknown'),
  idle: LIVE_STATES.filter((state) => stepOfState(state) === null && state !== 'outcome_unknown'),
} as const;
export type Part = keyof typeof PARTS;

/**
 * Live onboardings with the same values. Each time is the group's earliest, in milliseconds since the epoch.
 */
export interface Group {
  state: LiveState;
  integration: string;
  step: StepName | null;
  /** Null if the onboardings are not parked. */
  reason: ParkedReason | null;
  /** Whether the steps wait for their next try. */
  waits: boolean;
  /** Whether an operator has paused the integration. */
  paused: boolean;
  count: number;
  began: number;
  parkedAt: number | null;
  updatedAt: number;
  /** When the step's last try ended; null if no step in the group waits. */
  answeredAt: number | null;
  nextAttemptAt: number | null;
}

const keyOf = ({ state, integration, step, reason, waits }: Group) =>
  [state, integration, step, reason, waits].join(' ');

/** Adds up groups with the same values, which several statements have counted. */
export function merged(groups: readonly Group[]): Group[] {
  const sums = new Map<string, Group>();
  for (const group of groups) {
    const sum = sums.get(keyOf(group));
    sums.set(keyOf(group), sum ? sumOf(sum, group) : group);
  }
  return [...sums.values()];
}

const sumOf = (one: Group, other: Group): Group => ({
  ...other,
  count: one.count + other.count,
  began: Math.min(one.began, other.began),
  updatedAt: Math.min(one.updatedAt, other.updatedAt),
  parkedAt: earliest([one.parkedAt, other.parkedAt]),
  answeredAt: earliest([one.answeredAt, other.answeredAt]),
  nextAttemptAt: earliest([one.nextAttemptAt, other.nextAttemptAt]),
});

export function earliest(instants: readonly (number | null)[]): number | null {
  const known = instants.filter((each) => each !== null);
  return known.length === 0 ? null : Math.min(...known);
}
