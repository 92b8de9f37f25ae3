import { findProvider, type FailureClass, type Rule } from '#libs/upstream';
import { canLeaveDoubt, type StepName } from '../flow/table.js';

/**
 * Applies the law of each provider: what may be retried, when, and what a lost answer means. The heart of the service.
 *
 * An upstream may have no idempotency key and no way to ask what became of a call. So each end of a call has its answer
 * in the provider's table, and nowhere else; docs/retry-law.md explains the cells.
 */

export const isReplayable = (provider: string, step: StepName): boolean =>
  findProvider(provider)?.replayable.includes(step) ?? false;

/** An attempt that repeats one which may have had its effect, and cannot have it twice: nothing is charged for it. */
export const repeatsEffect = (
  row: { provider: string; unavailableCount: number; noAnswerCount: number },
  step: StepName,
): boolean => isReplayable(row.provider, step) && row.unavailableCount + row.noAnswerCount > 0;

/** Ends that do not tell whether the call took effect. */
export const EFFECT_UNKNOWN: ReadonlySet<FailureClass> = new Set(['unavailable', 'no_answer']);

export interface Circumstances {
  provider: string;
  step: StepName;
  failure: FailureClass;
  /** Whether any byte of it may have left. */
  sent: boolean;
  /** Calls of this submission so far, this one included. */
  calls: number;
  /** Of these, how many ended `unavailable` and `no_answer`, this one included. */
  unavailableCount: number;
  noAnswerCount: number;
  /** Whether an earlier call of this submission ended with an unknown effect. */
  inDoubt: boolean;
  /** Until the code, the session or the onboarding ends, whichever bounds the step. */
  timeLeftMs: number;
  /** From `Retry-After`. */
  retryAfterMs: number | undefined;
  /** Until a resend would be allowed. */
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
 * Applies the law.
 *
 * @param random in [0, 1), for the jitter.
 * @throws Error for a provider that the law does not know.
 */
export function decide(at: Circumstances, timing: Timing, random: number): Decision {
  const rule = ruleOf(at.provider, at.step, at.failure);
  if (mayRetry(at, rule)) {
    const delayMs = delayOf(at, rule, timing, random);
    if (delayMs + timing.CALL_TIMEOUT_MS <= at.timeLeftMs) return { type: 'retry', delayMs };
  }
  // Doubt is never forgotten: after it, no later answer short of a whole 2xx says that nothing happened. But where a
  // repeat counts as the same call, its answer is the answer to the first.
  const settlesDoubt =
    isReplayable(at.provider, at.step) && (rule.otherwise === 'rejected' || rule.otherwise === 'park');
  if (canLeaveDoubt(at.step) && at.inDoubt && !settlesDoubt) return { type: 'outcome_unknown' };
  // Parked, it would be called again once the integration is mended: a third time.
  if (rule.otherwise === 'park' && at.sent && calledAfterNoAnswer(at)) return { type: 'give_up' };
  return { type: rule.otherwise };
}

export function ruleOf(provider: string, step: StepName, failure: FailureClass): Rule {
  const law = findProvider(provider)?.law;
  if (!law) throw new Error(`the retry law has no table for provider "${provider}"`);
  return law[step][failure];
}

/** After a call without an answer there is no third call of the step; the table bounds `no_answer` itself. A replay is no other call. */
const calledAfterNoAnswer = ({ provider, step, noAnswerCount, failure }: Circumstances) =>
  !isReplayable(provider, step) && failure !== 'no_answer' && noAnswerCount > 0;

function mayRetry(at: Circumstances, rule: Rule): boolean {
  if (at.failure !== 'not_sent' && calledAfterNoAnswer(at)) return false;
  if (rule.retries === null) return true;
  return (
    rule.retries > 0 && (at.failure === 'no_answer' ? at.noAnswerCount : at.unavailableCount) <= rule.retries
  );
}

/** Full jitter: spreads a crowd that failed together over the whole interval. */
function delayOf(at: Circumstances, rule: Rule, timing: Timing, random: number): number {
  const ceiling = Math.min(timing.RETRY_CAP_MS, timing.RETRY_BASE_MS * 2 ** (at.calls - 1));
  const backoff = timing.RETRY_FLOOR_MS + random * Math.max(0, ceiling - timing.RETRY_FLOOR_MS);
  const retryAfter = Math.min(at.retryAfterMs ?? 0, timing.RETRY_AFTER_MAX_MS);
  const cooldown = rule.afterCooldown ? at.cooldownLeftMs : 0;
  return Math.ceil(Math.max(backoff, retryAfter, cooldown));
}
