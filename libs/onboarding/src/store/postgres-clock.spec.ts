import { describe, expect, it } from '@jest/globals';
import { PostgresClock } from './postgres-clock.js';

/** PostgreSQL's clock begins at 1,000,000 ms when ours is at 0. An answer takes `tookMs`. */
function clocks() {
  const ours = { nowMs: () => 0, monotonicMs: () => ours.at, at: 0 };
  let reads = 0;
  const postgres = new PostgresClock(ours, () => {
    reads += 1;
    return Promise.resolve(new Date(1_000_000 + ours.at));
  });
  const answer = (tookMs: number, theirMs: number) => {
    const answered = postgres.ask();
    ours.at += tookMs;
    answered(new Date(theirMs));
  };
  return { ours, postgres, answer, reads: () => reads };
}

describe('the estimate of PostgreSQL’s clock', () => {
  it('begins with one read of PostgreSQL’s clock, and then follows our monotonic clock', async () => {
    const { ours, postgres, reads } = clocks();
    expect(await postgres.estimateMs()).toBe(1_000_000);
    ours.at += 250;
    expect([await postgres.estimateMs(), await postgres.estimateMs(100)]).toEqual([1_000_250, 1_000_100]);
    expect(reads()).toBe(1);
  });

  it('is ahead of that clock by the duration of a quick answer, and never behind it', async () => {
    const { postgres, answer, reads } = clocks();
    answer(40, 1_000_040);
    expect(await postgres.estimateMs()).toBe(1_000_080);
    expect(reads()).toBe(0);
  });

  it.each([
    ['a quick answer replaces it, also by an earlier time', 100, 900_000, 900_100],
    ['a slow answer with a later time leaves it', 101, 1_000_101, 1_000_101],
    ['a slow answer with an earlier time replaces it', 101, 900_000, 900_101],
  ])('changes with PostgreSQL’s clock: %s', async (_, tookMs, theirMs, estimateMs) => {
    const { postgres, answer } = clocks();
    answer(0, 1_000_000);
    answer(tookMs, theirMs);
    expect(await postgres.estimateMs()).toBe(estimateMs);
  });
});
