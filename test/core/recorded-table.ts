import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';

const isAccepted = process.env['ACCEPT_TABLES'] === '1';

/** A committed file in `tables`. Empty lines separate its entries, each with its title in the first line. */
export class RecordedTable {
  readonly #file: string;
  readonly #committed: ReadonlyMap<string, string>;
  readonly #seen = new Map<string, string>();

  /** @param command the command that rewrites the file, for the error message */
  constructor(
    private readonly name: string,
    private readonly about: string,
    private readonly command: string,
  ) {
    this.#file = join(import.meta.dirname, 'tables', `${name}.txt`);
    const text = existsSync(this.#file) ? readFileSync(this.#file, 'utf8').trimEnd() : '';
    // The first entry is the description of the file.
    const [, ...entries] = text.split(/\n\n+(?=\S)/);
    this.#committed = new Map(entries.map((entry) => [titleOf(entry), entry]));
  }

  /** @throws Error if the file has another entry of the same title. */
  compare(entry: string): void {
    this.#seen.set(titleOf(entry), entry);
    if (!isAccepted) this.#explained(() => expect(entry).toBe(this.#committed.get(titleOf(entry)) ?? ''));
  }

  /**
   * Call this after the last `compare`. It writes the file if `ACCEPT_TABLES` is set. Otherwise it fails if
   * the file has other titles.
   *
   * @throws Error if `ACCEPT_TABLES` is set in CI
   */
  end(): void {
    if (!isAccepted) {
      this.#explained(() => expect([...this.#seen.keys()]).toEqual([...this.#committed.keys()]));
      return;
    }
    if (process.env['CI']) throw new Error('CI compares the tables and never writes them.');
    const text = [this.about, `To accept a change: ${this.command}`];
    writeFileSync(this.#file, `${[text.join('\n'), ...this.#seen.values()].join('\n\n')}\n`);
  }

  #explained(compare: () => void): void {
    try {
      compare();
    } catch (error) {
      const file = `test/core/tables/${this.name}.txt`;
      const hint = `${file} differs. If the change is right, accept it:\n${this.command}`;
      throw new Error(`${hint}\n\n${(error as Error).message}`, { cause: error });
    }
  }
}

const titleOf = (entry: string) => entry.split('\n')[0]!;
