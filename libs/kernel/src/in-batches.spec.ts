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

  it('stops after an empty first batch', async () => {
    expect(await work(2, async () => 0)).toBe(0);
  });

  it('passes an error on', async () => {
    const failing = async (): Promise<number> => Promise.reject(new Error('away'));
    await expect(work(2, failing)).rejects.toThrow('away');
  });
});

describe('inBatchesWithRests', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('rests three times as long as a batch took, but not after the last batch', async () => {
    const batches = [
      { items: 2, tookMs: 20 },
      { items: 2, tookMs: 40 },
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
    const restMs = beganAt.slice(1).map((at, n) => Number(at - beganAt[n]!) / 1e6);
    expect(restMs).toHaveLength(2);
    // A timer may fire a millisecond early, or late on a busy machine.
    expect(restMs[0]).toBeGreaterThan(59);
    expect(restMs[0]).toBeLessThan(30_000);
    expect(restMs[1]).toBeGreaterThan(119);
    expect(restMs[1]).toBeLessThan(30_000);
  });

  it('ends its rest early and begins no further batch if it is aborted', async () => {
    const stop = new AbortController();
    let nowMs = 0;
    jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
    let batches = 0;
    const items = inBatchesWithRests(
      2,
      async () => {
        batches += 1;
        nowMs += 3_600_000;
        return 2;
      },
      stop.signal,
    );
    setImmediate(() => stop.abort());
    expect({ items: await items, batches }).toEqual({ items: 2, batches: 1 });
  });
});
