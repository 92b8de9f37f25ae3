import type { Invariant } from '../invariant.js';
import { attemptsOf, type Attempt } from '../replay.js';

const INDEFINITE = new Set(['unavailable', 'no_answer']);
/** The events that may end a step whose effect is unknown. */
const MAY_LEAVE_BY: Record<string, string[]> = {
  'verify-otp': ['otp_verified', 'outcome_lost', 'cancelled', 'expired'],
  'create-authenticators': ['authenticators_created', 'outcome_lost', 'cancelled', 'expired'],
};
/** How many more calls may follow an `unavailable` or a `no_answer`. */
const RETRIES: Record<string, { unavailable: number; no_answer: number }> = {
  'verify-otp': { unavailable: 2, no_answer: 0 },
  'create-authenticators': { unavailable: 4, no_answer: 1 },
  'init-otp': { unavailable: Infinity, no_answer: 1 },
};

/**
 * After a lost answer, the step follows docs/explanation/retry-law.md, and the row lists the attempt as
 * unresolved until its outcome is known.
 */
export const doubt: Invariant = (onboarding) => {
  const found: string[] = [];
  const submissions = Map.groupBy(attemptsOf(onboarding), ({ submission }) => submission);
  for (const [number, attempts] of submissions) {
    const { step, leftBy } = attempts[0]!;
    const { unavailable, no_answer } = RETRIES[step]!;
    const of = (end: string) => attempts.filter((attempt) => attempt.end === end);
    if (of('unavailable').length > unavailable + 1) found.push(`submission ${number}: too many 5xx retries`);
    const lost = attempts.findIndex(({ end }) => end === 'no_answer');
    const sentAfter = lost < 0 ? [] : attempts.slice(lost + 1).filter(({ end }) => end !== 'not_sent');
    if (sentAfter.length > no_answer) {
      found.push(`submission ${number}: ${sentAfter.length} more calls after a call without an answer`);
    }
    const doubtful = attempts.some(({ end }) => INDEFINITE.has(end ?? ''));
    if (doubtful && leftBy && !(MAY_LEAVE_BY[step]?.includes(leftBy) ?? true)) {
      found.push(`submission ${number}: ${step} had an unknown effect, but ended with "${leftBy}"`);
    }
  }
  const { row } = onboarding;
  if (row.state === 'outcome_unknown' && !row.unresolved.some(({ step }) => step === row.step)) {
    found.push(`the outcome of ${row.step} is unknown, but the row names no attempt`);
  }
  for (const { attempt, step } of row.unresolved) {
    if (!isOpen(attemptsOf(onboarding), attempt))
      found.push(`${step} ${attempt} is unresolved, but was answered`);
  }
  return found;
};

const isOpen = (attempts: Attempt[], number: number) => {
  const attempt = attempts.find((each) => each.number === number);
  return attempt !== undefined && (attempt.end === null || INDEFINITE.has(attempt.end));
};
