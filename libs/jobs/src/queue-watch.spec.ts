import { describe, expect, it } from '@jest/globals';
import { findingOf } from './queue-watch.js';

const NOW = Date.parse('2026-11-28T12:00:00Z');
const quiet = { paused: false, pausedAt: null, waiting: 0, oldestDueAt: null, lastFinishedAt: NOW - 2_000 };

describe('the health check of a queue, by situation', () => {
  it.each([
    ['quiet', {}, 'up', 'none waiting; last finished 2 s ago'],
    ['new', { lastFinishedAt: null }, 'up', 'none waiting; none finished yet'],
    [
      'busy',
      { waiting: 3, oldestDueAt: NOW - 10_000 },
      'up',
      '3 waiting, the oldest for 10 s; last finished 2 s ago',
    ],
    [
      'late',
      { waiting: 3, oldestDueAt: NOW - 10_001 },
      'down',
      '3 waiting, the oldest for 10 s; last finished 2 s ago',
    ],
    [
      'without workers, its delayed job overdue',
      { oldestDueAt: NOW - 60_000, lastFinishedAt: NOW - 61_000 },
      'down',
      '1 waiting, the oldest for 60 s; last finished 61 s ago',
    ],
    [
      'paused',
      { paused: true, pausedAt: NOW - 5_000, waiting: 1, oldestDueAt: NOW - 4_000 },
      'down',
      'paused since 2026-11-28T11:59:55Z, its jobs are not run; ' +
        '1 waiting, the oldest for 4 s; last finished 2 s ago',
    ],
    [
      'paused long ago',
      { paused: true },
      'down',
      'paused, its jobs are not run; none waiting; last finished 2 s ago',
    ],
    ['finished later than now', { lastFinishedAt: NOW + 5_000 }, 'up', 'none waiting; last finished 0 s ago'],
  ])('%s', (_, seen, status, detail) => {
    expect(findingOf({ ...quiet, ...seen }, NOW)).toEqual({ status, detail });
  });
});
