import { describe, expect, it } from '@jest/globals';
import { waitOf } from './prefer.js';

describe('waitOf', () => {
  it.each([
    [undefined, 10_000],
    ['wait=0', 0],
    ['wait=30', 30_000],
    ['respond-async', 0],
    ['respond-async, wait=10', 0],
    ['handling=lenient, WAIT = 5', 5_000],
    ['wait=5; foo="bar"', 5_000],
    ['return=minimal', 10_000],
  ])('%s is %i ms', (header, ms) => expect(waitOf(header)).toBe(ms));

  it.each(['wait=31', 'wait=-1', 'wait=soon', 'wait=1.5'])('refuses %s', (header) => {
    expect(() => waitOf(header)).toThrow(/0 to 30/);
  });
});
