import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { PreparedStatements } from '#libs/database';
import { anOnboarding, testServersConfig, until } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { write as writeTo } from '../fixtures/write.js';
import type { NewEvent } from '../flow/events.js';
import type { OnboardingEvent } from '../flow/onboarding-event.entity.js';
import type { Patch } from '../flow/row.js';
import { EventFollower, type TimelineReader } from './event-follower.js';

/** So short that an unwanted statement would run many times before a test checks the count. */
const POLL_MS = 5;

let onboardings: Onboardings;
let follower: EventFollower;
const statements = {
  asked: [] as unknown[][],
  /** While true, statements fail as if PostgreSQL were away. */
  away: false,
};
const leaves: (() => void)[] = [];

beforeAll(async () => {
  onboardings = await openOnboardings();
  const real = onboardings.module.get(PreparedStatements);
  const counted = {
    run: async (...args: Parameters<PreparedStatements['run']>) => {
      statements.asked.push(args[1]);
      const rows = await real.run(...args);
      // Checked last, because an outage also takes the answers of running statements.
      if (statements.away) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
      return rows;
    },
  } as PreparedStatements;
  const config = await testServersConfig({ EVENTS_POLL_MS: String(POLL_MS) });
  follower = new EventFollower(counted, config);
});
afterEach(() => {
  for (const leave of leaves.splice(0)) leave();
  statements.away = false;
});
afterAll(() => onboardings.close());

class Reader implements TimelineReader {
  hasRoom = true;
  ended = 0;
  readonly seqs: number[] = [];
  readonly types: string[] = [];

  receive(events: OnboardingEvent[]): void {
    this.seqs.push(...events.map(({ seq }) => seq));
    this.types.push(...events.map(({ type }) => type));
  }

  end(): void {
    this.ended += 1;
  }
}

function follow(id: string, after = 0, reader = new Reader()): Reader {
  leaves.push(follower.follow(id, after, reader));
  return reader;
}

const anId = () => anOnboarding(onboardings.dataSource);
const some = (count: number): NewEvent[] =>
  Array.from({ length: count }, () => ({ type: 'otp_expired', actor: 'service' }));
const write = (id: string, count = 1, patch: Patch = {}) =>
  writeTo(onboardings.store, id, some(count), patch);
const upTo = (last: number, from = 1) => Array.from({ length: last - from + 1 }, (_, index) => from + index);
const has = (reader: Reader, last: number) =>
  until(`event ${last} arrives`, () => reader.seqs.includes(last));
async function waitForThreePolls(): Promise<void> {
  const id = await anId();
  const other = follow(id);
  for (let seq = 1; seq <= 3; seq += 1) {
    await write(id);
    await has(other, seq);
  }
}

describe('a reader of a timeline', () => {
  it('gets existing and new events once and in order, while many writers add events', async () => {
    const id = await anId();
    await write(id, 3);
    const reader = follow(id);
    await has(reader, 3);
    await Promise.all(Array.from({ length: 20 }, () => write(id, 2)));
    await has(reader, 43);
    expect(reader.seqs).toEqual(upTo(43));
    expect(reader.ended).toBe(0);
  });

  it('gets only the events after the number of its last event', async () => {
    const id = await anId();
    await write(id, 5);
    const reader = follow(id, 3);
    await has(reader, 5);
    expect(reader.seqs).toEqual([4, 5]);
  });

  it('shares one statement with other readers, and gets the events after its own last event', async () => {
    const id = await anId();
    await write(id, 4);
    const readers = [0, 2, 4].map((after) => {
      const reader = new Reader();
      reader.hasRoom = false;
      return follow(id, after, reader);
    });
    await write(id, 2);
    // From now on, one statement reads for all three readers.
    for (const reader of readers) reader.hasRoom = true;
    for (const reader of readers) await has(reader, 6);
    expect(readers.map(({ seqs }) => seqs)).toEqual([upTo(6), upTo(6, 3), upTo(6, 5)]);
    const before = statements.asked.length;
    await until('some polls', () => statements.asked.length > before + 3);
    for (const [ids] of statements.asked.slice(before)) expect(ids).toEqual([id]);
  });

  it('gets all events, even if one statement cannot read them all', async () => {
    const id = await anId();
    await write(id, 450);
    await write(id, 1, { state: 'cancelled' });
    const reader = follow(id);
    await until('it ends', () => reader.ended > 0);
    expect(reader.seqs).toEqual(upTo(451));
  });

  it('learns that the onboarding has ended only after it has received all events', async () => {
    const id = await anId();
    const reader = follow(id);
    await write(id, 2, { state: 'cancelled' });
    await until('it ends', () => reader.ended > 0);
    expect(reader.seqs).toEqual([1, 2]);
    await write(id);
    const late = follow(id, 2);
    await until('it ends', () => late.ended > 0);
    expect(late.seqs).toEqual([3]);
    const nothing = follow(id, 3);
    await until('it ends', () => nothing.ended > 0);
    expect(nothing.seqs).toEqual([]);
  });

  it('gets no events while it accepts none, and gets all of them later', async () => {
    const id = await anId();
    const slow = new Reader();
    slow.hasRoom = false;
    follow(id, 0, slow);
    const quick = follow(id);
    await write(id, 3);
    await has(quick, 3);
    await waitForThreePolls();
    expect(slow.seqs).toEqual([]);
    slow.hasRoom = true;
    await has(slow, 3);
    expect(slow.seqs).toEqual([1, 2, 3]);
  });

  it('gets no events after it has stopped reading', async () => {
    const id = await anId();
    const reader = new Reader();
    const leave = follower.follow(id, 0, reader);
    leave();
    await write(id);
    await waitForThreePolls();
    expect(reader.seqs).toEqual([]);
  });

  it('misses no event during an outage of PostgreSQL', async () => {
    const id = await anId();
    const reader = follow(id);
    await write(id);
    await has(reader, 1);
    statements.away = true;
    await write(id, 2);
    const before = statements.asked.length;
    await until('it is asked all the while', () => statements.asked.length > before + 3);
    expect(reader.seqs).toEqual([1]);
    statements.away = false;
    await has(reader, 3);
    expect(reader.seqs).toEqual([1, 2, 3]);
  });
});

describe('polling PostgreSQL', () => {
  it('needs one statement for all readers', async () => {
    const ids = await Promise.all(Array.from({ length: 30 }, anId));
    const readers = ids.map((id) => {
      const reader = new Reader();
      reader.hasRoom = false;
      return follow(id, 0, reader);
    });
    await Promise.all(ids.map((id) => write(id)));
    // From now on, one statement reads for all readers.
    const before = statements.asked.length;
    for (const reader of readers) reader.hasRoom = true;
    for (const reader of readers) await has(reader, 1);
    await until('some polls', () => statements.asked.length > before + 3);
    for (const [asked] of statements.asked.slice(before)) {
      expect((asked as string[]).toSorted()).toEqual(ids.toSorted());
    }
  });

  it('needs no statement while there is no reader', async () => {
    const id = await anId();
    const reader = new Reader();
    const leave = follower.follow(id, 0, reader);
    await write(id);
    await has(reader, 1);
    leave();
    // A statement that began before `leave()` may still be running.
    await anId();
    const before = statements.asked.length;
    for (let times = 0; times < 20; times += 1) await anId();
    expect(statements.asked.length).toBe(before);
  });
});
