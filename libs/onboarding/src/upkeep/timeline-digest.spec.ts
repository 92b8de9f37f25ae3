import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KeyedHash } from '#libs/platform';
import { blanked, digestOf, faultIn, type StoredEvent, type StoredTimeline } from './timeline-digest.js';

const hash = new KeyedHash(Buffer.alloc(32, 1));
const event = (seq: number, more: Partial<StoredEvent> = {}): StoredEvent => ({
  seq,
  type: 'otp_sent',
  atUs: `${1_000_000 * seq}`,
  actor: 'upstream',
  data: `{"n": ${seq}}`,
  ...more,
});
const timeline = (events: StoredEvent[], more: Partial<StoredTimeline> = {}): StoredTimeline => ({
  id: '0198a000-0000-7000-8000-000000000001',
  state: 'cancelled',
  lastSeq: events.length,
  anchor: null,
  anchoredSeq: null,
  events,
  ...more,
});
const anchored = (of: StoredTimeline, seq = of.lastSeq): StoredTimeline => ({
  ...of,
  anchor: digestOf(of, seq, hash),
  anchoredSeq: seq,
});
const THREE = [event(1), event(2), event(3)];
const whole = anchored(timeline(THREE));

describe('the check of a timeline', () => {
  it('finds no fault in an unaltered timeline, with or without an anchor or later events', () => {
    expect(faultIn(timeline(THREE), hash)).toBeNull();
    expect(faultIn(timeline([]), hash)).toBeNull();
    expect(faultIn(whole, hash)).toBeNull();
    expect(faultIn({ ...whole, events: [...THREE, event(4)], lastSeq: 4 }, hash)).toBeNull();
  });

  it.each<[string, Partial<StoredTimeline>, object]>([
    ['a missing event', { events: [event(1), event(3)] }, { seq: 2, fault: 'missing' }],
    ['the last event missing', { events: [event(1), event(2)] }, { seq: 3, fault: 'missing' }],
    ['all events missing', { events: [] }, { seq: 1, fault: 'missing' }],
    ['a surplus event', { events: [...THREE, event(4)] }, { seq: 4, fault: 'surplus' }],
    ['a repeated number', { events: [event(1), event(1), event(2)] }, { seq: 2, fault: 'surplus' }],
  ])('finds %s and its place, with and without an anchor', (_, change, fault) => {
    expect(faultIn({ ...timeline(THREE), ...change }, hash)).toEqual(fault);
    expect(faultIn({ ...whole, ...change }, hash)).toEqual(fault);
  });

  it.each<[string, Partial<StoredTimeline>]>([
    ['another order', { events: [event(1), { ...event(3), seq: 2 }, { ...event(2), seq: 3 }] }],
    ['another state', { state: 'completed' }],
    ['a live state', { state: 'otp_sent' }],
    ['another onboarding', { id: '0198a000-0000-7000-8000-000000000002' }],
    ['an anchor for fewer events', { anchoredSeq: 2 }],
    ['no anchor beside its number', { anchor: null }],
    ['no number beside the anchor', { anchoredSeq: null }],
    ['an anchor of another length', { anchor: whole.anchor!.subarray(1) }],
  ])('finds that a timeline does not fit its anchor with %s', (_, change) => {
    expect(faultIn({ ...whole, ...change }, hash)).toMatchObject({ fault: 'anchor' });
  });

  it('finds that an anchor under another key does not fit its timeline', () => {
    expect(faultIn(whole, new KeyedHash(Buffer.alloc(32, 2)))).toEqual({ seq: 3, fault: 'anchor' });
  });

  it('finds a change to any member of any event that the anchor covers', () => {
    const members = ['type', 'atUs', 'actor', 'data'] as const;
    fc.assert(
      fc.property(fc.nat(2), fc.constantFrom(...members), fc.string(), (index, member, value) => {
        fc.pre(THREE[index]![member] !== value);
        const events = THREE.map((each, at) => (at === index ? { ...each, [member]: value } : each));
        expect(faultIn({ ...whole, events }, hash)).toEqual({ seq: 3, fault: 'anchor' });
      }),
    );
  });

  it('computes different digests if text moves from one member to the next', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '[', '\\'), maxLength: 4 });
    const events = fc
      .array(fc.record({ type: text, atUs: text, actor: text, data: text }), { maxLength: 3 })
      .map((all) => all.map((each, index) => ({ seq: index + 1, ...each })));
    fc.assert(
      fc.property(events, events, (one, other) => {
        const digest = (of: StoredEvent[]) => digestOf(timeline(of), of.length, hash).toString('hex');
        expect(digest(one) === digest(other)).toBe(JSON.stringify(one) === JSON.stringify(other));
      }),
    );
  });

  it('accepts for an erased timeline only a digest of the events without their data', () => {
    const erased = blanked(whole);
    expect(erased.events.map(({ data }) => data)).toEqual(['{}', '{}', '{}']);
    expect(faultIn(erased, hash)).toEqual({ seq: 3, fault: 'anchor' });
    expect(faultIn(anchored(erased), hash)).toBeNull();
  });
});
