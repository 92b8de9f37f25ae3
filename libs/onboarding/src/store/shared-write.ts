/** Writes together what comes while an earlier write is under way. Nothing waits for company. */
export class SharedWrite<Item> {
  #waiting: Item[] = [];
  #next: Promise<void> | null = null;
  #writing: Promise<unknown> = Promise.resolve();

  /** @param write of all items at once. */
  constructor(private readonly write: (items: Item[]) => Promise<void>) {}

  /** @returns when the item is written. @throws as the write does, for all that it was to write. */
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
