import { describe, expect, it } from '@jest/globals';
import { ServerClock } from './server-clock.js';

/** The first and the last time of an answer are on the monotonic clock. */
function after(...readings: [askedAtMs: number, shownMs: number, nowMs: number][]): ServerClock {
  const clock = new ServerClock();
  for (const [askedAtMs, shownMs, nowMs] of readings) clock.note(shownMs, askedAtMs, nowMs);
  return clock;
}

describe('ServerClock', () => {
  it('has no estimate before the first answer', () => expect(new ServerClock().in(4_000, 0)).toBeNull());

  it.each([
    ['a quick answer', after([0, 1_000_000, 10]), 1_003_990],
    ['a slow answer, as early as it may be', after([0, 1_000_000, 3_000]), 1_001_000],
    ['a quick answer after a slow one', after([0, 1_000_000, 3_000], [3_000, 1_003_000, 3_001]), 1_003_999],
    ['a slow answer after a quick one', after([0, 1_000_000, 10], [10, 1_000_010, 3_000]), 1_003_990],
    [
      'a slow answer that shows more than an earlier slow one',
      after([0, 1_000, 3_000], [3_000, 4_000, 5_000]),
      3_000,
    ],
    ['a clock that was set back', after([0, 1_000_000, 10], [10, 500_010, 11]), 503_999],
  ])('estimates PostgreSQL’s clock after %s', (_, clock, instantMs) =>
    expect(clock.in(4_000, 0)).toBe(instantMs),
  );
});
