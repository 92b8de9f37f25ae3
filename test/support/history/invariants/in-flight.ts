import type { Invariant } from '../invariant.js';
import { attemptsOf } from '../replay.js';

/**
 * In the timeline, no attempt begins before the previous one has ended. In the sandbox's journal, no call
 * arrives before the previous one was answered or abandoned.
 */
export const inFlight: Invariant = (onboarding) => {
  const found: string[] = [];
  let open: number | null = null;
  for (const { seq, type, data } of onboarding.events) {
    if (type === 'attempt_started') {
      if (open !== null) found.push(`${seq}: attempt ${data.attempt} began while ${open} was open`);
      open = data.attempt!;
    } else if (type === 'attempt_ended' || CLOSES.has(type)) {
      open = null;
    }
  }
  const attempts = new Map(attemptsOf(onboarding).map((attempt) => [attempt.number, attempt]));
  for (const [index, call] of onboarding.calls.entries()) {
    for (const earlier of onboarding.calls.slice(0, index)) {
      if (earlier.answeredAt !== null && earlier.answeredAt <= call.arrivedAt) continue;
      // Sort by attempt, because an abandoned call may arrive after the calls of the next attempt.
      const [older, newer] = [earlier.attempt, call.attempt].sort((one, other) => one - other);
      const end = attempts.get(older!)?.end;
      const givenUp = older !== newer && attempts.has(newer!) && (end === 'no_answer' || end === null);
      if (!givenUp) found.push(`call ${call.attempt} arrived while ${earlier.attempt} was in flight`);
    }
  }
  return found;
};

/** Events that end an attempt without an answer. */
const CLOSES = new Set(['outcome_lost', 'otp_expired', 'session_expired', 'expired', 'cancelled']);
