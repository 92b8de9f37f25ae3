import type { Invariant } from '../invariant.js';
import type { UpstreamCall } from '../history.js';
import { attemptsOf } from '../replay.js';

const DEFINITE = new Set(['ok', 'rejected', 'rejected_unclear']);

/** Two codes are the same if they have the same keyed hash and the same `otpId`. */
export const codes: Invariant = (onboarding) => {
  const found: string[] = [];
  const attempts = new Map(attemptsOf(onboarding).map((attempt) => [attempt.number, attempt]));
  // If the provider refuses the key, an attempt makes two calls, and ends as the second call does.
  const lastCalls = new Map(onboarding.calls.map((call) => [call.attempt, call]));
  const answered = new Map<string, number>();
  for (const call of onboarding.calls) {
    if (call.step !== 'verify-otp') continue;
    const attempt = attempts.get(call.attempt);
    const code = `${call.otpId} ${attempt?.fingerprint}`;
    const before = answered.get(code);
    if (before !== undefined)
      found.push(`call ${call.attempt}: call ${before} got a definite answer for this code`);
    const end = call === lastCalls.get(call.attempt) ? attempt?.end : null;
    if (isDefinite(call) || DEFINITE.has(end ?? '')) answered.set(code, call.attempt);
  }
  return found;
};

/** Whether the sandbox gave a definite answer, even if the service never got it. */
function isDefinite({ answer }: UpstreamCall): boolean {
  return (
    typeof answer === 'number' && answer >= 200 && answer < 500 && ![401, 403, 408, 429].includes(answer)
  );
}
