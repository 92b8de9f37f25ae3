import type { ParseArgsOptionsConfig } from 'node:util';
import type { Store } from './store.js';

/** Exit codes, as scripts read them. */
export const DONE = 0;
export const FAILED = 1;
/** The command line or the configuration is at fault: the same will never work. */
export const MISUSED = 2;

export type Values = Record<string, string | boolean | undefined>;

export interface Call {
  values: Values;
  positionals: string[];
  /** `cli:<user of the machine>`, for the audit. */
  actor: string;
}

export interface Answer {
  /** For people. */
  lines: string[];
  /** With `--json`. */
  json: unknown;
}

export interface Command {
  /** What stands after its name, e.g. `<id> [--overlap 24h]`. */
  usage: string;
  summary: string;
  /** Besides `--json` and `--help`, which every command takes. */
  options: ParseArgsOptionsConfig;
  /** How many words it takes. */
  positionals: number;
  /**
   * Reads the command line; what it returns does the work. A line that makes no sense touches no database.
   *
   * @throws Misuse.
   */
  plan(call: Call): (store: Store) => Promise<Answer>;
}

/** By its second word. */
export type Group = Record<string, Command>;

/** The answer is bad news: it is told all the same, and the exit code says so. */
export class NotAsItShould extends Error {
  override readonly name = 'NotAsItShould';

  constructor(readonly answer: Answer) {
    super('not as it should be');
  }
}

/** The command line makes no sense; the message says what would. */
export class Misuse extends Error {
  override readonly name = 'Misuse';
}
