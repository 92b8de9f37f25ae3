/** Types of flags.mjs. */
export type Flag = { about: string } & (
  | { is: 'switch' }
  | { is: 'text'; default?: string }
  /** A whole number from 1 on. */
  | { is: 'count'; default: number }
  | { is: 'choice'; of: readonly string[]; default?: string }
);

export interface Command<Flags extends Record<string, Flag>> {
  /** As people type it, e.g. `npm start`. */
  name: string;
  summary: string;
  flags: Flags;
}

type Value<F extends Flag> = F extends { is: 'switch' }
  ? boolean
  : F extends { default: infer D }
    ? D extends number
      ? number
      : string
    : string | undefined;

export function readFlags(
  command: Command<Record<string, Flag>>,
  args: string[],
): { values?: Record<string, unknown>; help?: string; wrong?: string };

export function flagsOrExit<const Flags extends Record<string, Flag>>(
  command: Command<Flags>,
  args: string[],
): { [Name in keyof Flags]: Value<Flags[Name]> };
