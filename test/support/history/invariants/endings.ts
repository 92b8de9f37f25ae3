import { isEnded } from '#libs/onboarding';
import type { Invariant } from '../invariant.js';
import { hasEnded, replay } from '../replay.js';

const ALLOWED_AFTER = new Set(['secrets_wiped', 'late_answer_kept', 'resolved']);

export const endings: Invariant = ({ row, events, told }) => {
  const found: string[] = [];
  let ended = false;
  for (const { event, after } of replay({ events }).steps) {
    if (ended && !ALLOWED_AFTER.has(event.type)) found.push(`${event.seq}: "${event.type}" after the end`);
    ended = hasEnded(after);
  }
  if (isEnded(row.state) && row.holdsSecrets) found.push(`${row.state}, and secrets are left`);
  for (const { state, at } of told) {
    if (state && isEnded(state) && state !== row.state) {
      found.push(`a caller was told "${state}" at ${new Date(at).toISOString()}, and it is ${row.state}`);
    }
  }
  return found;
};
