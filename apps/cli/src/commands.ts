import type { Group, StandaloneCommand } from './command.js';
import { AUDIT } from './audit.commands.js';
import { INTEGRATIONS } from './integrations.commands.js';
import { LOGS } from './logs.commands.js';
import { REFUSALS } from './refusals.commands.js';
import { CONTRACT_CHECK } from './contract-check.command.js';
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
  refusals: REFUSALS,
  logs: LOGS,
  audit: AUDIT,
};

/** Commands of one word. */
export const STANDALONE: Readonly<Record<string, StandaloneCommand>> = { 'contract-check': CONTRACT_CHECK };

export function usage(): string {
  const grouped = Object.entries(COMMANDS).flatMap(([group, commands]) =>
    Object.entries(commands).map(([name, command]) => [`${group} ${name}`, command] as const),
  );
  const lines = [...grouped, ...Object.entries(STANDALONE)].flatMap(([name, { usage, summary }]) => [
    `  ${name} ${usage}`.trimEnd(),
    `      ${summary}`,
  ]);
  return [
    'gangway <group> <command> …',
    '',
    ...lines,
    '',
    'Every command takes --json (the answer for programs) and --help.',
    'Set DATABASE_URL and HASH_KEY; the commands need no other configuration, but for contract-check.',
    'Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.',
  ].join('\n');
}
