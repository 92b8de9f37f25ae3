import { describe, expect, it } from '@jest/globals';
import { cpuMs } from '#libs/testing';
import { preferencesOf } from './prefer.js';

describe('the header Prefer', () => {
  it.each<[string | undefined, number, string | null]>([
    [undefined, 10_000, null],
    ['', 10_000, null],
    ['wait=0', 0, 'wait=0'],
    ['wait=30', 30_000, 'wait=30'],
    ['wait=31', 30_000, 'wait=30'],
    ['wait=99999', 30_000, 'wait=30'],
    [`wait=${'9'.repeat(400)}`, 30_000, 'wait=30'],
    ['wait=007', 7_000, 'wait=7'],
    ['respond-async', 0, 'respond-async'],
    ['respond-async=""', 0, 'respond-async'],
    ['respond-async, wait=1', 1_000, 'respond-async, wait=1'],
    ['wait=1, respond-async', 1_000, 'respond-async, wait=1'],
    ['respond-async; foo=bar, wait=99', 30_000, 'respond-async, wait=30'],
    ['respond-async, wait=soon', 0, 'respond-async'],
    ['Respond-Async, WAIT = 5', 5_000, 'respond-async, wait=5'],
    ['handling=lenient, wait=5', 5_000, 'wait=5'],
    ['wait="5"', 5_000, 'wait=5'],
    ['wait="\\5"', 5_000, 'wait=5'],
    ['wait=5; foo="bar"', 5_000, 'wait=5'],
    ['wait=5;', 5_000, 'wait=5'],
    ['wait=5, wait=7', 5_000, 'wait=5'],
    ['wait=soon, wait=7', 10_000, null],
    [', ,wait=5,', 5_000, 'wait=5'],
    ['foo="a, wait=1", wait=5', 5_000, 'wait=5'],
    ['foo="a\\", wait=1", wait=5', 5_000, 'wait=5'],
    ['foo; wait=5', 10_000, null],
    ['wait', 10_000, null],
    ['wait=', 10_000, null],
    ['wait=-1', 10_000, null],
    ['wait=+1', 10_000, null],
    ['wait=1.5', 10_000, null],
    ['wait=1e1', 10_000, null],
    ['wait=0x1', 10_000, null],
    ['wait=soon', 10_000, null],
    ['wait="', 10_000, null],
    ['return=minimal', 10_000, null],
    ['waiting=5', 10_000, null],
  ])(
    '"%s" means a wait of %i ms, and is answered with Preference-Applied "%s"',
    (header, waitMs, applied) => {
      expect(preferencesOf(header)).toEqual({ waitMs, applied });
    },
  );

  it('is read in little time, even if it is made to slow the parser down', () => {
    const texts = [
      '"'.repeat(16_000),
      'a=" '.repeat(4_000),
      `a${' '.repeat(16_000)}x`,
      'a;'.repeat(8_000),
      `"${'\\"'.repeat(8_000)}`,
      ','.repeat(16_000),
    ];
    expect(cpuMs(() => texts.forEach((text) => preferencesOf(text)))).toBeLessThan(1_000);
  });
});
