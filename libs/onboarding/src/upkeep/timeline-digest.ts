import { timingSafeEqual } from 'node:crypto';
import type { KeyedHash } from '#libs/platform';
import { isEnded, type State } from '../flow/table.js';

/**
 * A stored event. `atUs` is in microseconds since the epoch. `data` is the JSON text that PostgreSQL writes.
 */
export interface StoredEvent {
  seq: number;
  type: string;
  atUs: string;
  actor: string;
  data: string;
}

/** The timeline of an onboarding, with the columns of the onboarding's row that are needed to check it. */
export interface StoredTimeline {
  id: string;
  state: string;
  lastSeq: number;
  anchor: Buffer | null;
  anchoredSeq: number | null;
  events: StoredEvent[];
}

/**
 * The fault in a timeline. `seq` is the number of the first missing or surplus event. `anchor`: the timeline
 * does not fit its stored hash; `seq` is the last event that the hash covers.
 */
export interface TimelineFault {
  seq: number;
  fault: 'missing' | 'surplus' | 'anchor';
}

/** @returns the first fault in the timeline; null if there is none. */
export function faultIn(timeline: StoredTimeline, hash: KeyedHash): TimelineFault | null {
  return gapIn(timeline) ?? anchorFault(timeline, hash);
}

/**
 * @returns a keyed hash over the events of a timeline up to `seq`, and over the state in which the onboarding
 *   ended. An attacker with write access to the database cannot compute this hash without `HASH_KEY`.
 */
export function digestOf({ id, state, events }: StoredTimeline, seq: number, hash: KeyedHash): Buffer {
  const lines = events
    .slice(0, seq)
    .map((event) => JSON.stringify([event.seq, event.type, event.atUs, event.actor, event.data]));
  return hash.digest('timeline anchor', [id, seq, state, ...lines].join('\n'));
}

/** @returns the timeline as it is after an erasure. */
export const blanked = (timeline: StoredTimeline): StoredTimeline => ({
  ...timeline,
  events: timeline.events.map((event) => ({ ...event, data: '{}' })),
});

function gapIn({ events, lastSeq }: StoredTimeline): TimelineFault | null {
  for (const [index, event] of events.entries()) {
    const seq = index + 1;
    if (event.seq > seq) return { seq, fault: 'missing' };
    if (event.seq < seq || seq > lastSeq) return { seq, fault: 'surplus' };
  }
  return events.length < lastSeq ? { seq: events.length + 1, fault: 'missing' } : null;
}

/**
 * A live onboarding with a stored hash (an anchor) is a fault: only ended onboardings get one, and an ended
 * state never changes.
 */
function anchorFault(timeline: StoredTimeline, hash: KeyedHash): TimelineFault | null {
  const { anchor, anchoredSeq, state } = timeline;
  if (anchor === null && anchoredSeq === null) return null;
  const seq = anchoredSeq ?? 0;
  const expected = digestOf(timeline, seq, hash);
  const holds =
    isEnded(state as State) && anchor?.length === expected.length && timingSafeEqual(anchor, expected);
  return holds ? null : { seq, fault: 'anchor' };
}
