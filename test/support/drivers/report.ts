export const SEED = {
  is: 'text',
  default: String(Date.now() % 1_000_000),
  about: 'the same seed makes the same choices',
} as const;

export const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Keeps one example of each kind of fault. */
export class Findings {
  readonly #found = new Map<string, string>();

  get size(): number {
    return this.#found.size;
  }

  add(fault: string, call = ''): void {
    if (!this.#found.has(fault)) this.#found.set(fault, call);
  }

  report(): void {
    for (const [fault, call] of this.#found) say(`FAULT ${fault}\n  ${call}`);
  }
}
