/**
 * Collects the items that arrive during a write, and writes them together in the next write. If no write
 * runs, an item is written immediately.
 */
export class SharedWrite<Item> {
  #waiting: Item[] = [];
  #next: Promise<void> | null = null;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(private readonly write: (items: Item[]) => Promise<void>) {}

  /** Resolves when the item is written. If a write fails, the promises of all its items reject. */
  add(item: Item): Promise<void> {
    this.#waiting.push(item);
    this.#next ??= this.#writing.then(() => {
      const items = this.#waiting;
      this.#waiting = [];
      this.#next = null;
      const written = this.write(items);
      this.#writing = written.catch(() => undefined);
      return written;
    });
    return this.#next;
  }
}
