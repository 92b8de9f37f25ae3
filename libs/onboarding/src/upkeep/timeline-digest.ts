import { timingSafeEqual } from 'node:crypto';
import type { KeyedHash } from '#libs/platform';
import { isEnded, type State } from '../flow/table.js';

/** `atUs`: microseconds since the epoch. `data`: the JSON text that PostgreSQL writes. */
export interface StoredEvent {
  seq: number;
  type: string;
  atUs: string;
  actor: string;
  data: string;
}

export interface StoredTimeline {
  id: string;
  state: string;
  lastSeq: number;
  anchor: Buffer | null;
  anchoredSeq: number | null;
  events: StoredEvent[];
}

/**
 * `seq`: the first missing or surplus event. `anchor`: the timeline does not fit its stored hash, which
 * covers the events up to `seq`.
 */
export interface TimelineFault {
  seq: number;
  fault: 'missing' | 'surplus' | 'anchor';
}

export function faultIn(timeline: StoredTimeline, hash: KeyedHash): TimelineFault | null {
  return gapIn(timeline) ?? anchorFault(timeline, hash);
}

/**
 * @returns a keyed hash over the events up to `seq` and the onboarding's state. An attacker with write access
 *   to the database cannot compute this hash without `HASH_KEY`.
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
 * A live onboarding with an anchor is a fault: only ended onboardings get one, and an ended state never
 * changes.
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
