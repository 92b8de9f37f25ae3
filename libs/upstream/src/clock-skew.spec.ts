import { describe, expect, it } from '@jest/globals';
import { ClockSkew } from './clock-skew.js';

const now = Date.UTC(2026, 10, 20, 12, 0, 0, 400);
const header = (ms: number) => new Date(now + ms).toUTCString();

describe('ClockSkew', () => {
  it.each([
    ['the same second', 0, 0],
    ['a second that began before, in our favour', -900, 400],
    ['ten seconds behind', -10_400, 9_400],
    ['forty seconds ahead', 40_000, 39_600],
  ])('reads %s', (_name, offset, expected) => {
    const skew = new ClockSkew();
    skew.saw(header(offset), now);
    expect(skew.ms(now)).toBe(expected);
  });

  it('knows nothing without a header, or from one that is no date', () => {
    const skew = new ClockSkew();
    skew.saw(undefined, now);
    skew.saw('soon', now);
    expect(skew.ms(now)).toBe(0);
  });

  it('goes stale, so that who stopped sending for it learns again', () => {
    const skew = new ClockSkew();
    skew.saw(header(60_000), now);
    expect(skew.ms(now + 59_000)).toBeGreaterThan(30_000);
    expect(skew.ms(now + 60_000)).toBe(0);
  });
});
