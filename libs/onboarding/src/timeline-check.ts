import { createHash } from 'node:crypto';

/** An event as it is stored. `at` in microseconds since the epoch, `data` as PostgreSQL writes it; hashes in hex. */
export interface StoredEvent {
  seq: number;
  type: string;
  atUs: string;
  actor: string;
  data: string;
  hash: string | null;
  salt: string | null;
  dataHash: string | null;
}

/** An onboarding's timeline, with what its row says of it. */
export interface StoredTimeline {
  id: string;
  state: string;
  lastSeq: number;
  erased: boolean;
  anchor: Buffer | null;
  anchoredSeq: number | null;
  events: StoredEvent[];
}

/** What was found wrong. `seq`: of the first event that is not as it was written. */
export interface TimelineFault {
  seq: number;
  fault: 'missing' | 'surplus' | 'altered' | 'anchor';
}

const NOTHING_BEFORE = Buffer.alloc(32);

/**
 * Computes the chain again, here and not in the database, whose functions whoever writes to it may have changed. An
 * event's hash is SHA-256 over the one before (32 zero bytes where there is none), `id\nseq\ntype\nat\nactor\n`, and
 * SHA-256 of salt and data.
 *
 * @returns the first fault; null where there is none.
 */
export function faultIn(timeline: StoredTimeline): TimelineFault | null {
  let before: Buffer | null = null;
  const { events, lastSeq } = timeline;
  // What was erased has its data's hash only: believed where the chain itself says that it was.
  const erased = timeline.erased && events.some(({ type }) => type === 'erased');
  for (const [index, event] of events.entries()) {
    const seq = index + 1;
    if (event.seq > seq) return { seq, fault: 'missing' };
    if (event.seq < seq || seq > lastSeq) return { seq, fault: 'surplus' };
    if (event.hash === null) {
      // The version before did not chain its events: the chain begins after them.
      if (before !== null) return { seq, fault: 'altered' };
      continue;
    }
    const expected = hashOf(timeline.id, event, before ?? NOTHING_BEFORE, erased);
    if (expected?.toString('hex') !== event.hash) return { seq, fault: 'altered' };
    before = expected;
  }
  return events.length < lastSeq ? { seq: events.length + 1, fault: 'missing' } : null;
}

/** What an anchor vouches for: the timeline up to that event, and the state that the onboarding ended in. */
export function anchoredContent({ id, state, events }: StoredTimeline, seq: number): string {
  return [id, seq, state, events[seq - 1]?.hash ?? ''].join('\n');
}

function hashOf(id: string, event: StoredEvent, before: Buffer, erased: boolean): Buffer | null {
  const dataHash = dataHashOf(event, erased);
  if (!dataHash) return null;
  const head = `${[id, event.seq, event.type, event.atUs, event.actor].join('\n')}\n`;
  return createHash('sha256').update(before).update(head).update(dataHash).digest();
}

function dataHashOf({ data, salt, dataHash }: StoredEvent, erased: boolean): Buffer | null {
  if (dataHash !== null) return erased && data === '{}' ? Buffer.from(dataHash, 'hex') : null;
  if (salt === null) return null;
  return createHash('sha256')
    .update(Buffer.from(salt.replaceAll('-', ''), 'hex'))
    .update(data)
    .digest();
}
