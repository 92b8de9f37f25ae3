import { describe, expect, it } from '@jest/globals';
import { judge, needsAnotherTry, type Bounds, type Counted, type Ratios, type Try } from './judge.js';

const counted: Counted = { roundTrips: 15, statements: 15, commits: 10, walBytes: 22_800 };
const ratios: Ratios = { rateOfRelay: 0.04, rateOfUsual: 1, cpuOfRelay: 25 };
const bounds: Bounds = {
  atMost: { ...counted, cpuOfRelay: 30 },
  atLeast: { rateOfRelay: 0.03, rateOfUsual: 0.7 },
};

const QUIET: Try = { ratios, noise: 0.1 };
const NOISY: Try = { ratios, noise: 0.34 };
const SLOW: Ratios = { ...ratios, rateOfRelay: 0.02 };
const SLOW_QUIET: Try = { ratios: SLOW, noise: 0.1 };
const SLOW_NOISY: Try = { ratios: SLOW, noise: 0.9 };

describe('judge', () => {
  it.each<[string, Try[], 'good' | 'bad', boolean, number, boolean, number]>([
    // The columns: title, tries, counts, on main, noisy runs before, passes, noisy runs after.
    ['passes a run within all bounds', [QUIET], 'good', true, 0, true, 0],
    ['ends the series of noisy runs at a quiet run', [QUIET], 'good', true, 2, true, 0],
    ['does not change the series of main at a run on a branch', [QUIET], 'good', false, 2, true, 2],
    ['fails a run whose ratio is too low', [SLOW_QUIET], 'good', true, 0, false, 0],
    ['fails a run whose tries are both too slow', [SLOW_QUIET, SLOW_QUIET], 'good', true, 0, false, 0],
    ['passes a run whose second try is fast enough', [SLOW_QUIET, QUIET], 'good', true, 0, true, 0],
    ['fails a run whose fast try is noisy', [SLOW_QUIET, NOISY], 'good', true, 0, false, 0],
    ['fails a run on a branch whose ratio is too low', [SLOW_QUIET], 'good', false, 1, false, 1],
    ['fails a run whose count is too high', [QUIET], 'bad', true, 1, false, 0],
    ['passes a run whose second try is quiet', [NOISY, QUIET], 'good', true, 1, true, 0],
    ['fails a run whose quiet try is too slow', [NOISY, SLOW_QUIET], 'good', true, 0, false, 0],
    ['passes a run whose noisy try is too slow', [SLOW_NOISY, QUIET], 'good', true, 0, true, 0],
    ['passes a run whose tries are noisy and too slow', [SLOW_NOISY, SLOW_NOISY], 'good', true, 0, true, 1],
    ['passes the second noisy run in a row', [NOISY, NOISY], 'good', true, 1, true, 2],
    ['fails the third noisy run in a row', [NOISY, NOISY], 'good', true, 2, false, 3],
    ['fails the eighth noisy run in a row', [NOISY, NOISY], 'good', true, 7, false, 8],
    ['passes a branch after many noisy runs on main', [NOISY, NOISY], 'good', false, 7, true, 7],
    ['fails a noisy run whose count is too high', [NOISY, NOISY], 'bad', true, 0, false, 1],
    ['fails a noisy run on a branch whose count is too high', [NOISY, NOISY], 'bad', false, 0, false, 0],
  ])('%s', (_, tries, counts, onMain, noisyBefore, passes, noisyInARow) => {
    const seen = counts === 'good' ? counted : { ...counted, commits: 11 };
    expect(judge({ counted: seen, bounds, tries, onMain, noisyBefore })).toMatchObject({
      passes,
      noisyInARow,
    });
  });

  it.each([
    ['needs no other try after a quiet and fast one', QUIET, false],
    ['needs another try after a noisy one', NOISY, true],
    ['needs another try after a slow one', SLOW_QUIET, true],
  ])('%s', (_, first, needed) => {
    expect(needsAnotherTry(first, bounds)).toBe(needed);
  });

  it.each(Object.keys(counted) as (keyof Counted)[])('fails if %s exceeds its bound', (name) => {
    const at = (more: number) => ({ ...counted, [name]: counted[name] + more });
    const judged = (seen: Counted) =>
      judge({ counted: seen, bounds, tries: [QUIET], onMain: false, noisyBefore: 0 });
    expect(judged(at(0)).passes).toBe(true);
    expect(judged(at(1)).passes).toBe(false);
    expect(judged(at(1)).lines.join()).toContain(`${name} per onboarding`);
    expect(judged({ ...counted, [name]: NaN }).passes).toBe(false);
  });

  it.each<[Partial<Ratios>, boolean]>([
    [{ rateOfRelay: 0.03 }, true],
    [{ rateOfRelay: 0.0299 }, false],
    [{ rateOfRelay: NaN }, false],
    [{ rateOfUsual: 0.7 }, true],
    [{ rateOfUsual: 0.69 }, false],
    [{ cpuOfRelay: 30 }, true],
    [{ cpuOfRelay: 30.1 }, false],
    [{ cpuOfRelay: null }, true],
  ])('given the ratios %p, sets `passes` to %p', (changed, passes) => {
    const tries = [{ ratios: { ...ratios, ...changed }, noise: 0 }];
    expect(judge({ counted, bounds, tries, onMain: true, noisyBefore: 0 }).passes).toBe(passes);
  });

  it.each([
    [1 / 3, 'quiet'],
    [0.334, 'noisy'],
  ])('with the noise %d, calls the machine %s', (noise, verdict) => {
    const { lines } = judge({ counted, bounds, tries: [{ ratios, noise }], onMain: false, noisyBefore: 0 });
    expect(lines.join().includes('TOO NOISY')).toBe(verdict === 'noisy');
  });
});
