import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { inBatches, inBatchesWithRests } from './in-batches.js';

describe.each([
  ['inBatches', inBatches],
  ['inBatchesWithRests', inBatchesWithRests],
])('%s', (_, work) => {
  it('stops after the first batch that is not full, and returns the number of all items', async () => {
    const sizes = [2, 2, 1, 2];
    const limits: number[] = [];
    const items = await work(2, async (limit) => {
      limits.push(limit);
      return sizes.shift()!;
    });
    expect({ items, limits }).toEqual({ items: 5, limits: [2, 2, 2] });
  });

  it('works once on an empty batch', async () => {
    expect(await work(2, async () => 0)).toBe(0);
  });

  it('passes an error on', async () => {
    const failing = async (): Promise<number> => Promise.reject(new Error('away'));
    await expect(work(2, failing)).rejects.toThrow('away');
  });
});

describe('inBatchesWithRests', () => {
  afterEach(() => jest.restoreAllMocks());

  it('rests three times as long as a batch took, but not after the last batch', async () => {
    const batches = [
      { items: 2, tookMs: 10 },
      { items: 2, tookMs: 30 },
      { items: 1, tookMs: 3_600_000 },
    ];
    let nowMs = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
    const beganAt: bigint[] = [];
    await inBatchesWithRests(2, async () => {
      beganAt.push(process.hrtime.bigint());
      const { items, tookMs } = batches.shift()!;
      nowMs += tookMs;
      return items;
    });
    const [first = 0n, second = 0n, third = 0n] = beganAt;
    // A timer may fire a millisecond early.
    expect(Number(second - first) / 1e6).toBeGreaterThan(29);
    expect(Number(third - second) / 1e6).toBeGreaterThan(89);
  });
});
