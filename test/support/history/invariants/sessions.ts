import type { Invariant } from '../invariant.js';

export const sessions: Invariant = ({ calls }, { sessionMarginMs, networkDelayMs }) => {
  const found: string[] = [];
  let endsAt: number | null = null;
  for (const { step, attempt, effect, sentAt, arrivedAt } of calls) {
    if (effect?.type === 'session_opened') endsAt = Date.parse(effect.expiresAt!) - sessionMarginMs;
    if (step !== 'create-authenticators' || endsAt === null) continue;
    if (sentAt > endsAt)
      found.push(`call ${attempt} was sent ${sentAt - endsAt} ms too late for the session`);
    else if (arrivedAt > endsAt + networkDelayMs) {
      found.push(`call ${attempt} arrived ${arrivedAt - endsAt} ms too late for the session`);
    }
  }
  return found;
};
