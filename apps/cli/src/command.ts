import type { ParseArgsOptionsConfig } from 'node:util';
import type { Store } from './store.js';

/** Exit codes, for scripts. */
export const DONE = 0;
export const FAILED = 1;
/** The command line or the configuration is wrong: a retry cannot help. */
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
  /** Follows the command's name, e.g. `<id> [--overlap 24h]`. */
  usage: string;
  summary: string;
  /** In addition to `--json` and `--help`, which every command takes. */
  options: ParseArgsOptionsConfig;
  /** How many words the command takes. */
  positionals: number;
  /**
   * Reads the command line and returns the work to do. A wrong command line never reaches the database.
   *
   * @throws Misuse.
   */
  plan(call: Call): (store: Store) => Promise<Answer>;
}

/** By its second word. */
export type Group = Record<string, Command>;

/** The command ran, but its answer is bad news: print the answer, and exit with an error code. */
export class NotAsItShould extends Error {
  override readonly name = 'NotAsItShould';

  constructor(readonly answer: Answer) {
    super('not as it should be');
  }
}

/** The command line is wrong; the message says how to correct it. */
export class Misuse extends Error {
  override readonly name = 'Misuse';
}
