import { isEnded, stepOfState } from '#libs/onboarding';
import type { Invariant } from '../invariant.js';

/** The dust has settled: what is live waits for its user, for a decision, or for an instant that is still to come. */
export const rest: Invariant = ({ row }, { readAt }) => {
  if (isEnded(row.state)) return [];
  const found: string[] = [];
  const step = stepOfState(row.state);
  if (step) found.push(`${step} never ended: ${JSON.stringify(row)}`);
  if (row.parkedReason) found.push(`parked, although nothing is broken any more: ${row.parkedReason}`);
  if (row.dueAt === null) found.push(`${row.state} has no end`);
  else if (row.dueAt < readAt - LATE_MS) found.push(`${row.state} is overdue since ${row.dueAt}`);
  return found;
};

/** Expiry is written at most this late. */
const LATE_MS = 5_000;
