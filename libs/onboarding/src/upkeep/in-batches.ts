/**
 * Works in batches until a batch is not full.
 *
 * @param work takes the size of a batch, and returns the number of items that it found.
 */
export async function inBatches(size: number, work: (limit: number) => Promise<number>): Promise<void> {
  while ((await work(size)) === size);
}
