/** Drops the oldest entries above its limit, because a sandbox may run for weeks. */
export class BoundedLog<Entry> {
  readonly #entries: Entry[] = [];

  constructor(private readonly limit = 10_000) {}

  add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#entries.length > this.limit) this.#entries.shift();
  }

  filter(matches: (entry: Entry) => boolean): Entry[] {
    return this.#entries.filter(matches);
  }

  find(matches: (entry: Entry) => boolean): Entry | undefined {
    return this.#entries.find(matches);
  }

  clear(): void {
    this.#entries.length = 0;
  }
}
