import { setTimeout as pause } from 'node:timers/promises';

/**
 * Works in batches until a batch has fewer items than its size.
 *
 * @param work works on a batch of at most `limit` items, and returns the number of items.
 * @returns the number of items in all batches.
 */
export async function inBatches(size: number, work: (limit: number) => Promise<number>): Promise<number> {
  for (let items = 0; ;) {
    const count = await work(size);
    items += count;
    if (count < size) return items;
  }
}

/** How long the rest after a batch is, as a multiple of the duration of the batch. */
const REST = 3;

/**
 * Works as {@link inBatches} does, but rests after each batch, so that background work leaves most of
 * PostgreSQL to the callers.
 *
 * @param stop if it is aborted, no further batch begins.
 */
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
