import { describe, expect, it } from '@jest/globals';
import { BUCKET_ENDS_MS, emptyCounts, medianOf } from './funnel.js';

const histogram = (counts: Record<number, number>) => {
  const all = emptyCounts().times.startedToCodeSent;
  for (const [bucket, count] of Object.entries(counts)) all[Number(bucket)] = count;
  return all;
};

describe('the median of a histogram', () => {
  it.each([
    ['no value: null', {}, null],
    ['one value in the first bucket: its middle', { 0: 1 }, 50],
    ['all values in one bucket: its middle', { 3: 10 }, 400],
    ['half of the values in each of two buckets: the end of the lower bucket', { 1: 5, 4: 5 }, 200],
    ['three quarters of the values in the upper bucket: a value inside it', { 0: 1, 1: 3 }, 133],
    [
      'all values in the last bucket, which has no end: its beginning',
      { [BUCKET_ENDS_MS.length]: 3 },
      86_400_000,
    ],
  ])('is estimated from the buckets: %s', (_, counts, median) => {
    expect(medianOf(histogram(counts))).toBe(median);
  });

  it('can rely on buckets in rising order', () => {
    expect(BUCKET_ENDS_MS).toEqual(BUCKET_ENDS_MS.toSorted((one, other) => one - other));
  });
});
