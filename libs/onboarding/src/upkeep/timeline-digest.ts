import { timingSafeEqual } from 'node:crypto';
import type { KeyedHash } from '#libs/platform';
import { isEnded, type State } from '../flow/table.js';

/** An event as it is stored. `at` in microseconds since the epoch, `data` as PostgreSQL writes it. */
export interface StoredEvent {
  seq: number;
  type: string;
  atUs: string;
  actor: string;
  data: string;
}

/** An onboarding's timeline, with what its row says of it. */
export interface StoredTimeline {
  id: string;
  state: string;
  lastSeq: number;
  anchor: Buffer | null;
  anchoredSeq: number | null;
  events: StoredEvent[];
}

/** What was found wrong. `seq`: of the first event that is missing or too much; with `anchor`, of the last that it is for. */
export interface TimelineFault {
  seq: number;
  fault: 'missing' | 'surplus' | 'anchor';
}

/**
 * Looks at one timeline.
 *
 * @returns the first fault; null where there is none.
 */
export function faultIn(timeline: StoredTimeline, hash: KeyedHash): TimelineFault | null {
  return gapIn(timeline) ?? anchorFault(timeline, hash);
}

/**
 * Vouches for a timeline up to an event, and for the state that the onboarding ended in. Write access to the database does
 * not suffice to compute it: it hangs on `HASH_KEY`.
 */
export function digestOf({ id, state, events }: StoredTimeline, seq: number, hash: KeyedHash): Buffer {
  const lines = events
    .slice(0, seq)
    .map((event) => JSON.stringify([event.seq, event.type, event.atUs, event.actor, event.data]));
  return hash.of('timeline anchor', [id, seq, state, ...lines].join('\n'));
}

/** The same timeline as an erasure leaves it. */
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

/** Only what has ended is anchored, and nothing leaves its end. */
function anchorFault(timeline: StoredTimeline, hash: KeyedHash): TimelineFault | null {
  const { anchor, anchoredSeq, state } = timeline;
  if (anchor === null && anchoredSeq === null) return null;
  const seq = anchoredSeq ?? 0;
  const expected = digestOf(timeline, seq, hash);
  const holds =
    isEnded(state as State) && anchor?.length === expected.length && timingSafeEqual(anchor, expected);
  return holds ? null : { seq, fault: 'anchor' };
}
