import { findProvider, type FailureClass, type Rule } from '#libs/upstream';
import { canLeaveDoubt, type StepName } from '../flow/table.js';

/**
 * A table for each provider decides what may be retried, when, and what a lost answer means: see
 * docs/explanation/retry-law.md.
 */

export const isReplayable = (provider: string, step: StepName): boolean =>
  findProvider(provider)?.replayable.includes(step) ?? false;

/**
 * Whether an attempt repeats an earlier one that may have taken effect, at a provider that treats both as one
 * call. It counts in no budget, because the effect cannot happen twice.
 */
export const repeatsEffect = (
  row: { provider: string; unavailableCount: number; noAnswerCount: number },
  step: StepName,
): boolean => isReplayable(row.provider, step) && row.unavailableCount + row.noAnswerCount > 0;

/** The failures after which it is unknown whether the call had an effect. */
export const EFFECT_UNKNOWN: ReadonlySet<FailureClass> = new Set(['unavailable', 'no_answer']);

export interface Circumstances {
  provider: string;
  step: StepName;
  failure: FailureClass;
  /** Whether any byte of the request may have been sent. */
  sent: boolean;
  /** The calls of this submission, including the present one. */
  calls: number;
  /** How many of these calls ended with `unavailable`, and how many with `no_answer`. */
  unavailableCount: number;
  noAnswerCount: number;
  /** Whether an earlier call of this submission ended with an unknown effect. */
  inDoubt: boolean;
  /** The time until the end of the code, the session or the onboarding. */
  timeLeftMs: number;
  retryAfterMs: number | undefined;
  /** The time until a resend is allowed. */
  cooldownLeftMs: number;
}

export interface Timing {
  RETRY_FLOOR_MS: number;
  RETRY_BASE_MS: number;
  RETRY_CAP_MS: number;
  RETRY_AFTER_MAX_MS: number;
  CALL_TIMEOUT_MS: number;
}

export type Decision = { type: 'retry'; delayMs: number } | { type: Rule['otherwise'] };

/**
 * @param random in [0, 1), for the jitter.
 * @throws Error for a provider that has no table.
 */
export function decide(at: Circumstances, timing: Timing, random: number): Decision {
  const rule = ruleOf(at.provider, at.step, at.failure);
  if (mayRetry(at, rule)) {
    const delayMs = delayOf(at, rule, timing, random);
    if (delayMs + timing.CALL_TIMEOUT_MS <= at.timeLeftMs) return { type: 'retry', delayMs };
  }
  // Only a complete 2xx answer shows the outcome of an earlier call, unless the provider treats a repetition
  // as the same call.
  const settlesDoubt =
    isReplayable(at.provider, at.step) && (rule.otherwise === 'rejected' || rule.otherwise === 'park');
  if (canLeaveDoubt(at.step) && at.inDoubt && !settlesDoubt) return { type: 'outcome_unknown' };
  // After a repair, the call of a parked step would be a third call.
  if (rule.otherwise === 'park' && at.sent && calledAfterNoAnswer(at)) return { type: 'give_up' };
  return { type: rule.otherwise };
}

export function ruleOf(provider: string, step: StepName, failure: FailureClass): Rule {
  const law = findProvider(provider)?.law;
  if (!law) throw new Error(`the retry law has no table for provider "${provider}"`);
  return law[step][failure];
}

/**
 * After a call without an answer, the step makes no third call. A repetition of the same bytes does not
 * count. The table itself limits retries after `no_answer`.
 */
const calledAfterNoAnswer = ({ provider, step, noAnswerCount, failure }: Circumstances) =>
  !isReplayable(provider, step) && failure !== 'no_answer' && noAnswerCount > 0;

function mayRetry(at: Circumstances, rule: Rule): boolean {
  if (at.failure !== 'not_sent' && calledAfterNoAnswer(at)) return false;
  if (rule.retries === null) return true;
  return (
    rule.retries > 0 && (at.failure === 'no_answer' ? at.noAnswerCount : at.unavailableCount) <= rule.retries
  );
}

/** Full jitter, because calls may have failed together. */
function delayOf(at: Circumstances, rule: Rule, timing: Timing, random: number): number {
  const ceiling = Math.min(timing.RETRY_CAP_MS, timing.RETRY_BASE_MS * 2 ** (at.calls - 1));
  const backoff = timing.RETRY_FLOOR_MS + random * Math.max(0, ceiling - timing.RETRY_FLOOR_MS);
  const retryAfter = Math.min(at.retryAfterMs ?? 0, timing.RETRY_AFTER_MAX_MS);
  const cooldown = rule.afterCooldown ? at.cooldownLeftMs : 0;
  return Math.ceil(Math.max(backoff, retryAfter, cooldown));
}
