import type { Log, LogFields } from '#libs/platform';

const EVERY_MS = 60_000;
const TEXTS = 50;

/** Writes each text at most once a minute, with the number of its repetitions. */
export class BoundedLog {
  readonly #said = new Map<string, { atMs: number; left: number }>();

  constructor(
    private readonly logger: Pick<Log, 'info' | 'warn'>,
    private readonly everyMs = EVERY_MS,
  ) {}

  /** @returns false if the text was only counted. */
  warn(fields: LogFields, text: string): boolean {
    return this.#say('warn', fields, text);
  }

  info(fields: LogFields, text: string): boolean {
    return this.#say('info', fields, text);
  }

  /** Texts that differ only in ids and numbers count as the same text. */
  #say(level: 'info' | 'warn', fields: LogFields, text: string): boolean {
    const key = text.replace(/[0-9a-f-]{8,}|\d+/gi, '#').slice(0, 200);
    const now = performance.now();
    const last = this.#said.get(key);
    // Moves the text to the end of the map, because a full map drops its first text.
    this.#said.delete(key);
    if (last && now - last.atMs < this.everyMs) {
      this.#said.set(key, { ...last, left: last.left + 1 });
      return false;
    }
    const [oldest] = this.#said.keys();
    if (this.#said.size >= TEXTS && oldest !== undefined) this.#said.delete(oldest);
    this.#said.set(key, { atMs: now, left: 0 });
    const repeated = last?.left ?? 0;
    if (repeated === 0) this.logger[level](fields, text);
    else {
      const more = `${text} (and ${repeated} times more since the last such line)`;
      this.logger[level]({ ...fields, repeated }, more);
    }
    return true;
  }
}
