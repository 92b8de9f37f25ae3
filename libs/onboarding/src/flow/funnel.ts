import type { EndedState } from './table.js';

export const SPANS = [
  'startedToCodeSent',
  'codeSentToVerified',
  'verifiedToRegistered',
  'startedToRegistered',
] as const;
export type Span = (typeof SPANS)[number];

/**
 * Upper ends in milliseconds; the last bucket has no end. Never change them, because the stored counts of
 * past days use them.
 */
export const BUCKET_ENDS_MS = [
  100, 200, 300, 500, 700, 1_000, 1_500, 2_000, 3_000, 5_000, 7_000, 10_000, 15_000, 20_000, 30_000, 45_000,
  60_000, 90_000, 120_000, 180_000, 300_000, 450_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000,
  21_600_000, 86_400_000,
];

/** The number of onboardings in each bucket of {@link BUCKET_ENDS_MS}. */
export type Histogram = number[];

/** How many onboardings of one day and one integration reached each stage. */
export interface FunnelCounts {
  started: number;
  codeSent: number;
  verified: number;
  registered: number;
  live: number;
  /** By `<state>/<result code>`; the code may be empty. */
  endings: Record<`${EndedState}/${string}`, number>;
  times: Record<Span, Histogram>;
}

export const emptyCounts = (): FunnelCounts => ({
  started: 0,
  codeSent: 0,
  verified: 0,
  registered: 0,
  live: 0,
  endings: {},
  times: Object.fromEntries(SPANS.map((span) => [span, emptyHistogram()])) as FunnelCounts['times'],
});

const emptyHistogram = (): Histogram => Array.from({ length: BUCKET_ENDS_MS.length + 1 }, () => 0);

export function addCounts(sum: FunnelCounts, more: FunnelCounts): void {
  for (const stage of ['started', 'codeSent', 'verified', 'registered', 'live'] as const)
    sum[stage] += more[stage];
  for (const [ending, count] of Object.entries(more.endings) as [`${EndedState}/${string}`, number][]) {
    sum.endings[ending] = (sum.endings[ending] ?? 0) + count;
  }
  for (const span of SPANS) {
    more.times[span].forEach((count, bucket) => (sum.times[span][bucket]! += count));
  }
}

/**
 * Estimates the median, as if the values of a bucket were spread evenly over the bucket.
 *
 * @returns milliseconds; null if the histogram is empty; in the last bucket: the beginning of that bucket.
 */
export function medianOf(histogram: Histogram): number | null {
  const half = histogram.reduce((sum, count) => sum + count, 0) / 2;
  if (half === 0) return null;
  for (let bucket = 0, below = 0; ; below += histogram[bucket++]!) {
    const count = histogram[bucket]!;
    if (below + count < half) continue;
    const from = BUCKET_ENDS_MS[bucket - 1] ?? 0;
    const to = BUCKET_ENDS_MS[bucket] ?? from;
    return Math.round(from + ((half - below) / count) * (to - from));
  }
}
