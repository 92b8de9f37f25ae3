import { describe, expect, it } from '@jest/globals';
import { SharedWrite } from './shared-write.js';

/** Writes that end only when the test ends them. */
function held() {
  const writes: { items: number[]; end(error?: Error): void }[] = [];
  const shared = new SharedWrite<number>(
    (items) =>
      new Promise((resolve, reject) =>
        writes.push({ items, end: (error) => (error ? reject(error) : resolve()) }),
      ),
  );
  return { shared, writes };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

describe('a shared write', () => {
  it('begins immediately, and the next write takes all items that arrive during the first', async () => {
    const { shared, writes } = held();
    const first = shared.add(1);
    await turn();
    const others = [shared.add(2), shared.add(3)];
    await turn();
    expect(writes.map(({ items }) => items)).toEqual([[1]]);
    writes[0]!.end();
    await first;
    await turn();
    expect(writes.map(({ items }) => items)).toEqual([[1], [2, 3]]);
    writes[1]!.end();
    await Promise.all(others);
  });

  it('rejects only its own items if it fails, not later items', async () => {
    const { shared, writes } = held();
    const first = shared.add(1).catch((error: Error) => error.message);
    await turn();
    const second = shared.add(2);
    writes[0]!.end(new Error('no'));
    expect(await first).toBe('no');
    await turn();
    writes[1]!.end();
    await expect(second).resolves.toBeUndefined();
  });
});
