import { describe, expect, it } from '@jest/globals';
import { BUCKET_ENDS_MS, emptyCounts, medianOf } from './funnel.js';

const histogram = (counts: Record<number, number>) => {
  const all = emptyCounts().times.startedToCodeSent;
  for (const [bucket, count] of Object.entries(counts)) all[Number(bucket)] = count;
  return all;
};

describe('the median of a histogram', () => {
  it.each([
    ['nothing', {}, null],
    ['one value in the first bucket: its middle', { 0: 1 }, 50],
    ['all in one bucket: its middle', { 3: 10 }, 400],
    ['two equal halves: the end of the lower one', { 1: 5, 4: 5 }, 200],
    ['three quarters in the upper bucket', { 0: 1, 1: 3 }, 133],
    ['only in the last bucket: its beginning', { [BUCKET_ENDS_MS.length]: 3 }, 86_400_000],
  ])('%s', (_, counts, median) => {
    expect(medianOf(histogram(counts))).toBe(median);
  });

  it('has buckets in rising order', () => {
    expect(BUCKET_ENDS_MS).toEqual(BUCKET_ENDS_MS.toSorted((one, other) => one - other));
  });
});
