import { isEnded, stepOfState } from '#libs/onboarding';
import type { Invariant } from '../invariant.js';

/** Each live onboarding waits for its user, for an operator, or for a time in the future. */
export const rest: Invariant = ({ row }, { readAt }) => {
  if (isEnded(row.state)) return [];
  const found: string[] = [];
  const step = stepOfState(row.state);
  if (step) found.push(`${step} never ended: ${JSON.stringify(row)}`);
  if (row.parkedReason) found.push(`parked, although the integration works again: ${row.parkedReason}`);
  if (row.dueAt === null) found.push(`${row.state} has no end`);
  else if (row.dueAt < readAt - LATE_MS) found.push(`${row.state} is overdue since ${row.dueAt}`);
  return found;
};

/** The longest delay between a deadline and the write of the expiry. */
const LATE_MS = 5_000;
