import { setTimeout as pause } from 'node:timers/promises';

/**
 * Works in batches until a batch has fewer items than `size`.
 *
 * @param work returns the number of its items.
 * @returns the number of all items.
 */
export async function inBatches(size: number, work: (limit: number) => Promise<number>): Promise<number> {
  for (let items = 0; ;) {
    const count = await work(size);
    items += count;
    if (count < size) return items;
  }
}

/** The rest after a batch, as a multiple of the batch's duration. */
const REST = 3;

/** Rests after each batch, so that background work leaves most of PostgreSQL to the callers. */
export async function inBatchesWithRests(
  size: number,
  work: (limit: number) => Promise<number>,
  stop?: AbortSignal,
): Promise<number> {
  let restMs = 0;
  return inBatches(size, async (limit) => {
    if (restMs > 0) await pause(restMs, null, { signal: stop }).catch(() => undefined);
    if (stop?.aborted) return 0;
    const beganAt = performance.now();
    const count = await work(limit);
    restMs = REST * (performance.now() - beganAt);
    return count;
  });
}
