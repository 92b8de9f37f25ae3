import type { ParseArgsOptionsConfig } from 'node:util';
import type { Store } from './store.js';

export const DONE = 0;
export const FAILED = 1;
/** Exit code for a wrong command line or configuration. A retry cannot help. */
export const MISUSED = 2;

export type Values = Record<string, string | boolean | undefined>;

export interface Call {
  values: Values;
  positionals: string[];
  /** The actor in the audit: `cli:<user of the machine>`. */
  actor: string;
}

export interface Answer {
  lines: string[];
  json: unknown;
}

interface Described {
  /** The words after the command's name in the help, e.g. `<id> [--overlap 24h]`. */
  usage: string;
  summary: string;
  /** Without `--json` and `--help`, which every command takes. */
  options: ParseArgsOptionsConfig;
  /** How many words the command takes besides its options. */
  positionals: number | [fewest: number, most: number];
}

export interface Command extends Described {
  /** Checks the command line without the database, and returns the work to do. @throws Misuse */
  plan(call: Call): (store: Store) => Promise<Answer>;
}

/** A command of one word, which needs no database. */
export interface StandaloneCommand extends Described {
  planAlone(call: Call): (env: NodeJS.ProcessEnv) => Promise<Answer>;
}

export type Group = Record<string, Command>;

/** The command ran, but found something wrong. `run` prints the answer, and exits with code 1. */
export class FailedWithAnswer extends Error {
  override readonly name = 'FailedWithAnswer';

  constructor(readonly answer: Answer) {
    super('not as it should be');
  }
}

/** The command line is wrong; the message says how to correct it. */
export class Misuse extends Error {
  override readonly name = 'Misuse';
}
