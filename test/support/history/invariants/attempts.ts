import type { Invariant } from '../invariant.js';

export const attempts: Invariant = ({ row, events, answers }) => {
  const found: string[] = [];
  let last = 0;
  for (const { seq, type, data } of events) {
    if (type !== 'attempt_started') continue;
    if (data.attempt !== last + 1) found.push(`${seq}: attempt ${data.attempt} after ${last}`);
    last = data.attempt ?? last;
  }
  if (row.attempt !== last) found.push(`the row is at attempt ${row.attempt}, its timeline at ${last}`);

  const left = new Map<string, { left: number; at: number }>();
  const inOrder = answers
    .filter(({ replayed, updatedAt, otpSentAt }) => !replayed && updatedAt !== null && otpSentAt !== null)
    .sort((a, b) => a.updatedAt! - b.updatedAt! || a.version! - b.version!);
  for (const { attemptsLeft, otpSentAt, state, updatedAt } of inOrder) {
    // While the service sends a new code, no code is valid, but `otpSentAt` is still that of the old code.
    if (attemptsLeft === null || state === 'otp_requested' || state === 'otp_needed') continue;
    const before = left.get(otpSentAt!);
    if (before && attemptsLeft > before.left) {
      found.push(`the code of ${otpSentAt} had ${before.left} tries left, and then ${attemptsLeft}`);
    }
    left.set(otpSentAt!, { left: attemptsLeft, at: updatedAt! });
  }
  return found;
};
