/** Works on `atOnce` items at the same time. @returns the results in the order of the items. */
export async function someAtOnce<T, R>(
  atOnce: number,
  items: readonly T[],
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let n = 0; n < items.length; n += atOnce) {
    results.push(...(await Promise.all(items.slice(n, n + atOnce).map(work))));
  }
  return results;
}

/**
 * Works in batches until a batch has fewer items than its size.
 *
 * @param work works on a batch of at most `limit` items, and returns the number of items.
 */
export async function inBatches(size: number, work: (limit: number) => Promise<number>): Promise<void> {
  while ((await work(size)) === size);
}
