import { describe, expect, it } from '@jest/globals';
import { isUuid, lowestUuidV7, timeOfUuidV7, uuidV7 } from './id.js';

describe('uuidV7', () => {
  it('contains the time in its first 48 bits, and the version and variant', () => {
    const id = uuidV7(0x0198_0000_1234);
    expect(id.slice(0, 13)).toBe('01980000-1234');
    expect(id[14]).toBe('7');
    expect('89ab').toContain(id[19]);
    expect(isUuid(id)).toBe(true);
  });

  it('sorts by time, and never gives the same id twice', () => {
    const early = uuidV7(1_000);
    const late = uuidV7(1_001);
    expect(early < late).toBe(true);
    expect(new Set(Array.from({ length: 1_000 }, () => uuidV7(5))).size).toBe(1_000);
  });

  it.each([0, 1_000, 0x0198_0000_1234, 2 ** 48 - 1])('contains the time at which it was made: %d', (ms) => {
    expect(timeOfUuidV7(uuidV7(ms))).toBe(ms);
  });

  it.each([
    [1_000.9, 1_000],
    [-1, 0],
    [2 ** 48, 2 ** 48 - 1],
  ])('cuts a time to a whole number of 48 bits: %d', (ms, stored) => {
    expect(isUuid(uuidV7(ms))).toBe(true);
    expect(timeOfUuidV7(uuidV7(ms))).toBe(stored);
  });

  it('is never below lowestUuidV7 of its millisecond, which is above all earlier ids', () => {
    const ms = 0x0198_0000_1234;
    const lowest = lowestUuidV7(ms);
    expect(lowest <= uuidV7(ms)).toBe(true);
    expect(uuidV7(ms - 1) < lowest).toBe(true);
    expect(uuidV7(0) >= lowestUuidV7(-1)).toBe(true);
    expect(lowestUuidV7(2 ** 50)).toBe(lowestUuidV7(2 ** 48 - 1));
  });
});
