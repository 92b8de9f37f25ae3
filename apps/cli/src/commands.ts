import type { Group } from './command.js';
import { AUDIT } from './audit.commands.js';
import { INTEGRATIONS } from './integrations.commands.js';
import { KEYS } from './keys.commands.js';
import { CONSOLE } from './console.commands.js';
import { ONBOARDINGS } from './onboardings.commands.js';
import { OPERATIONS } from './operations.commands.js';
import { TIMELINE } from './timeline.commands.js';

/** The groups of commands, by the first word. To add a group, add a line here and a file in this folder. */
export const COMMANDS: Readonly<Record<string, Group>> = {
  keys: KEYS,
  console: CONSOLE,
  onboardings: ONBOARDINGS,
  operations: OPERATIONS,
  integrations: INTEGRATIONS,
  timeline: TIMELINE,
  audit: AUDIT,
};

export function usage(): string {
  const lines = Object.entries(COMMANDS).flatMap(([group, commands]) =>
    Object.entries(commands).flatMap(([name, { usage, summary }]) => [
      `  ${group} ${name} ${usage}`.trimEnd(),
      `      ${summary}`,
    ]),
  );
  return [
    'gangway <group> <command> …',
    '',
    ...lines,
    '',
    'Every command takes --json (the answer for programs) and --help.',
    'Set DATABASE_URL and HASH_KEY; the commands need no other configuration.',
    'Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.',
  ].join('\n');
}
