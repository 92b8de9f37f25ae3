import { describe, expect, it } from '@jest/globals';
import { judge, type Bounds, type Counted, type Ratios, type Try } from './judge.js';

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
  it.each<[Try[], 'good' | 'bad', boolean, number, boolean, number, string]>([
    // The columns: tries, counts, on main, noisy runs before, passes, noisy runs after, the reason.
    [[QUIET], 'good', true, 0, true, 0, 'all bounds are kept'],
    [[QUIET], 'good', true, 2, true, 0, 'a quiet run ends the series'],
    [[QUIET], 'good', false, 2, true, 2, 'a branch does not end the series of main'],
    [[SLOW_QUIET], 'good', true, 0, false, 0, 'a ratio is too low'],
    [[SLOW_QUIET], 'good', false, 1, false, 1, 'a ratio is too low on a branch'],
    [[QUIET], 'bad', true, 1, false, 0, 'a count is too high'],
    [[NOISY, QUIET], 'good', true, 1, true, 0, 'the second try was quiet'],
    [[NOISY, SLOW_QUIET], 'good', true, 0, false, 0, 'the quiet try is judged'],
    [[SLOW_NOISY, QUIET], 'good', true, 0, true, 0, 'the noisy try is not judged'],
    [[SLOW_NOISY, SLOW_NOISY], 'good', true, 0, true, 1, 'noise does not fail a change'],
    [[NOISY, NOISY], 'good', true, 1, true, 2, 'two noisy runs in a row are bad luck'],
    [[NOISY, NOISY], 'good', true, 2, false, 3, 'three noisy runs in a row fail'],
    [[NOISY, NOISY], 'good', true, 7, false, 8, 'more noisy runs in a row fail too'],
    [[NOISY, NOISY], 'good', false, 7, true, 7, 'a branch does not fail for noisy runs of main'],
    [[NOISY, NOISY], 'bad', true, 0, false, 1, 'counts are judged in a noisy run too'],
    [[NOISY, NOISY], 'bad', false, 0, false, 0, 'counts are judged on branches'],
  ])(
    'given tries %p, %s counts, on main %p, %d noisy runs before: passes %p, noisy runs now %d (%s)',
    (...row) => {
      const [tries, counts, onMain, noisyBefore, passes, noisyInARow] = row;
      const seen = counts === 'good' ? counted : { ...counted, commits: 11 };
      expect(judge({ counted: seen, bounds, tries, onMain, noisyBefore })).toMatchObject({
        passes,
        noisyInARow,
      });
    },
  );

  it.each(Object.keys(counted) as (keyof Counted)[])('fails if %s exceeds its bound', (name) => {
    const at = (more: number) => ({ ...counted, [name]: counted[name] + more });
    const of = (seen: Counted) =>
      judge({ counted: seen, bounds, tries: [QUIET], onMain: false, noisyBefore: 0 });
    expect(of(at(0)).passes).toBe(true);
    expect(of(at(1)).passes).toBe(false);
    expect(of(at(1)).lines.join()).toContain(`${name} per onboarding`);
    expect(of({ ...counted, [name]: NaN }).passes).toBe(false);
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
  ])('given the ratios %p, lets the check pass: %p', (changed, passes) => {
    const tries = [{ ratios: { ...ratios, ...changed }, noise: 0 }];
    expect(judge({ counted, bounds, tries, onMain: true, noisyBefore: 0 }).passes).toBe(passes);
  });

  it.each([
    [1 / 3, 'quiet'],
    [0.334, 'noisy'],
  ])('for a variation of %d between turns, calls the machine %s', (noise, verdict) => {
    const { lines } = judge({ counted, bounds, tries: [{ ratios, noise }], onMain: false, noisyBefore: 0 });
    expect(lines.join().includes('TOO NOISY')).toBe(verdict === 'noisy');
  });
});
