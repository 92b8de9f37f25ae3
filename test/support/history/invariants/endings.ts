import { isEnded } from '#libs/onboarding';
import type { Invariant } from '../invariant.js';
import { hasEnded, replay } from '../replay.js';

const ALLOWED_AFTER = new Set(['secrets_wiped', 'late_answer_kept', 'resolved']);

export const endings: Invariant = ({ row, events, answers }) => {
  const found: string[] = [];
  let ended = false;
  for (const { event, after } of replay({ events }).steps) {
    if (ended && !ALLOWED_AFTER.has(event.type)) found.push(`${event.seq}: "${event.type}" after the end`);
    ended = hasEnded(after);
  }
  if (isEnded(row.state) && row.holdsSecrets) found.push(`the row is ${row.state}, but still has secrets`);
  for (const { state, at } of answers) {
    if (state && isEnded(state) && state !== row.state) {
      found.push(`a caller got "${state}" at ${new Date(at).toISOString()}, but the row is ${row.state}`);
    }
  }
  return found;
};
