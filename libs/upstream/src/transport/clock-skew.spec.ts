import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ClockSkew } from './clock-skew.js';

const START = Date.UTC(2026, 10, 20, 12, 0, 0, 400);
const HOUR = 3_600_000;

function between({ warnMs = 10_000, stopMs = 30_000 } = {}) {
  const clock = {
    wall: START,
    monotonic: 5_000,
    nowMs: () => clock.wall,
    monotonicMs: () => clock.monotonic,
  };
  const skew = new ClockSkew(clock, { warnMs, stopMs });
  const pass = (ms: number) => {
    clock.wall += ms;
    clock.monotonic += ms;
  };
  const now = () => ({ wallMs: clock.wall, monotonicMs: clock.monotonic });
  return {
    clock,
    skew,
    pass,
    /**
     * The provider writes the date `before` ms after the request was sent. The answer arrives `after` ms
     * later.
     */
    saw(
      aheadMs: number,
      {
        before = 0,
        after = 0,
        ...headers
      }: { before?: number; after?: number; [name: string]: unknown } = {},
    ) {
      const sentAt = now();
      pass(before);
      const date = new Date(clock.wall + aheadMs).toUTCString();
      pass(after);
      skew.saw({ headers: { date, ...headers } as Record<string, string>, sentAt, headAt: now() });
    },
    sawDate(date: string | string[]) {
      skew.saw({ headers: { date }, sentAt: now(), headAt: now() });
    },
  };
}

describe('the measured clock difference after two answers that agree', () => {
  it.each([
    ['that shows the same second', 0, 0],
    ['less than a second behind', -400, 0],
    ['ten seconds behind', -10_400, 9_400],
    ['forty seconds ahead', 40_000, 39_600],
  ])('is correct for a provider’s clock %s (ahead by %d ms)', (_name, ahead, expected) => {
    const { skew, saw, pass } = between();
    saw(ahead);
    pass(1_000);
    saw(ahead);
    expect(skew.ms()).toBe(expected);
    expect(skew.stops).toBe(expected >= 30_000);
  });

  it('never exceeds the real difference, and is smaller by at most a second plus the call’s duration', () => {
    const delay = fc.integer({ min: 0, max: 15_000 });
    const call = fc.record({ before: delay, after: delay, pause: fc.integer({ min: 1_000, max: 20_000 }) });
    const ahead = fc.integer({ min: -2 * HOUR, max: 2 * HOUR });
    fc.assert(
      fc.property(ahead, fc.array(call, { minLength: 2, maxLength: 6 }), (aheadMs, calls) => {
        const { skew, saw, pass } = between();
        for (const { pause, ...times } of calls) {
          pass(pause);
          saw(aheadMs, times);
          expect(skew.ms()).toBeLessThanOrEqual(Math.abs(aheadMs));
        }
        const slowest = Math.max(...calls.slice(-2).map(({ before, after }) => before + after));
        expect(skew.ms()).toBeGreaterThanOrEqual(Math.abs(aheadMs) - slowest - 1_000);
      }),
    );
  });
});

describe('answers that do not prove a clock difference', () => {
  it.each<[string, (two: ReturnType<typeof between>) => void]>([
    ['one answer alone', ({ saw }) => saw(-600_000)],
    [
      'the same page of a cache again and again',
      ({ sawDate, pass }) => {
        const date = new Date(START - 600_000).toUTCString();
        for (let n = 0; n < 20; n++) {
          sawDate(date);
          pass(500);
        }
      },
    ],
    [
      'the same page of a cache for hours',
      ({ sawDate, pass }) => {
        const date = new Date(START - 600_000).toUTCString();
        for (let n = 0; n < 20; n++) {
          sawDate(date);
          pass(20 * 60_000 + 7_000);
        }
      },
    ],
    [
      'pages of a cache, each with a different date',
      ({ saw, pass }) => {
        for (const ahead of [-600_000, -580_000, -900_000, -70_000]) {
          saw(ahead);
          pass(3_000);
        }
      },
    ],
    [
      'answers with Age',
      ({ saw, pass }) => {
        for (let n = 0; n < 5; n++) {
          saw(-600_000, { age: String(n) });
          pass(2_000);
        }
      },
    ],
    [
      'an empty Age',
      ({ saw, pass }) => {
        saw(-600_000, { age: '' });
        pass(2_000);
        saw(-600_000, { age: '' });
      },
    ],
    [
      'servers of the provider whose clocks differ',
      ({ saw, pass }) => {
        for (let n = 0; n < 9; n++) {
          saw(n % 2 ? 40_000 : 0);
          pass(2_000);
        }
      },
    ],
    [
      'slow answers',
      ({ saw, pass }) => {
        for (let n = 0; n < 5; n++) {
          saw(0, n % 2 ? { before: 60_000 } : { after: 60_000 });
          pass(1_000);
        }
      },
    ],
    [
      'two dates in one answer',
      ({ sawDate, pass, clock }) => {
        for (let n = 0; n < 3; n++) {
          const date = new Date(clock.wall + HOUR).toUTCString();
          sawDate([date, date]);
          pass(2_000);
          sawDate(`${date}, ${date}`);
          pass(2_000);
        }
      },
    ],
    [
      'texts that are no date',
      ({ sawDate, pass }) => {
        for (const text of [
          '',
          'soon',
          '0',
          '2026',
          '1763632800',
          '2026-11-20T13:00:00Z',
          'Thu, 32 Jan 2026 00:00:00 GMT',
        ]) {
          sawDate(text);
          pass(1_000);
        }
      },
    ],
    [
      'a clock that stands still',
      ({ sawDate, pass }) => {
        for (let n = 0; n < 5; n++) {
          sawDate('Thu, 01 Jan 1970 00:00:00 GMT');
          pass(2_000);
        }
      },
    ],
  ])('are ignored: %s', (_, tell) => {
    const two = between();
    tell(two);
    expect(two.skew.ms()).toBe(0);
    expect(two.skew.stops).toBe(false);
  });
});

function anHourApart() {
  const two = between();
  two.saw(-HOUR);
  two.pass(1_000);
  two.saw(-HOUR);
  expect(two.skew.stops).toBe(true);
  return two;
}

describe('a measured clock difference', () => {
  it('ends with one answer that does not agree', () => {
    const { skew, saw, pass } = anHourApart();
    pass(1_000);
    saw(0);
    expect(skew.ms()).toBe(0);
    expect(skew.lastMs()).toBe(0);
  });

  it('ends when our clock is corrected by an hour', () => {
    const { skew, clock } = anHourApart();
    clock.wall -= HOUR;
    expect(skew.ms()).toBe(0);
    clock.wall += HOUR;
    expect(skew.ms()).toBe(0);
  });

  it('ends when the machine sleeps, because the monotonic clock then stands still', () => {
    const { skew, clock } = anHourApart();
    clock.wall += 10 * 60_000;
    expect(skew.ms()).toBe(0);
  });

  it('ends after a minute without an answer, by the monotonic clock', () => {
    const { skew, clock, pass } = anHourApart();
    clock.wall += 500;
    pass(59_999);
    expect(skew.stops).toBe(true);
    pass(1);
    expect(skew.ms()).toBe(0);
  });

  it.each([500, -500])('stays when our clock is corrected by only %d ms', (ms) => {
    const { skew, clock } = anHourApart();
    clock.wall += ms;
    expect(skew.stops).toBe(true);
  });

  it.each([HOUR, -HOUR])('is not taken from a call during which our clock jumps by %d ms', (step) => {
    const { skew, clock, pass } = between();
    for (let n = 0; n < 4; n++) {
      const sentAt = { wallMs: clock.wall, monotonicMs: clock.monotonic };
      const date = new Date(clock.wall).toUTCString();
      pass(100);
      clock.wall += step;
      skew.saw({ headers: { date }, sentAt, headAt: { wallMs: clock.wall, monotonicMs: clock.monotonic } });
      pass(2_000);
    }
    expect(skew.lastMs()).toBe(0);
  });
});

describe('the clock measurement', () => {
  it.each([
    ['after one answer that is ten seconds off', [12_000], true],
    ['not after two answers that are twelve seconds off', [12_000, 12_000], false],
    ['after one answer whose difference would stop the steps', [40_000], true],
    ['after two answers that stop the steps, until the clocks agree', [40_000, 40_000], true],
    ['not while the clocks agree', [0, 0], false],
    ['not after an answer that shows that the clocks agree again', [40_000, 40_000, 0], false],
  ])('asks for another answer only if the last answers require it: %s', (_, readings, wanted) => {
    const { skew, saw, pass } = between();
    for (const ahead of readings) {
      saw(ahead);
      pass(1_000);
    }
    expect(skew.wantsAnswer).toBe(wanted);
  });
});
