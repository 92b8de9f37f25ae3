import type { Invariant } from '../invariant.js';
import { replay } from '../replay.js';

export const timeline: Invariant = ({ row, events, answers }) => {
  const found: string[] = [];
  for (const [index, { seq }] of events.entries()) {
    if (seq !== index + 1) found.push(`event ${index + 1} has number ${seq}`);
  }
  if (row.lastSeq !== events.length)
    found.push(`last_seq is ${row.lastSeq}, but there are ${events.length} events`);
  const { steps, illegal } = replay({ events });
  if (illegal) return [...found, illegal];
  const changes = steps.filter(({ before, after }) => before !== after).length;
  if (row.version !== changes + 1) found.push(`version ${row.version} after ${changes} changes of state`);
  const last = steps.at(-1)?.after ?? [];
  if (!last.includes(row.state))
    found.push(`the row is ${row.state}, but its timeline ends in ${last.join(' or ')}`);

  const states = new Map<number, string>();
  for (const { version, state } of answers) {
    if (version === null || state === null) continue;
    const before = states.get(version);
    if (before && before !== state)
      found.push(`version ${version} was answered as ${before} and as ${state}`);
    states.set(version, state);
  }
  return found;
};
