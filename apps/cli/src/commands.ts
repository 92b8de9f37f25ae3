import type { Group } from './command.js';
import { AUDIT } from './audit.commands.js';
import { KEYS } from './keys.commands.js';
import { OPERATORS } from './operators.commands.js';
import { TIMELINE } from './timeline.commands.js';

/** By the first word: a new group is one line here and a file beside it. */
export const COMMANDS: Readonly<Record<string, Group>> = {
  keys: KEYS,
  operators: OPERATORS,
  timeline: TIMELINE,
  audit: AUDIT,
};

/** What there is, a line per command. */
export function usage(): string {
  const lines = Object.entries(COMMANDS).flatMap(([group, commands]) =>
    Object.entries(commands).flatMap(([name, { usage, summary }]) => [
      `  ${group} ${name} ${usage}`.trimEnd(),
      `      ${summary}`,
    ]),
  );
  return [
    'gangway <what> <verb> …',
    '',
    ...lines,
    '',
    'Each takes --json (the answer for programs) and --help.',
    'It wants DATABASE_URL and HASH_KEY, and nothing else of the configuration.',
    'Exit codes: 0 done, 1 not done, 2 the command line or the configuration is at fault.',
  ].join('\n');
}
