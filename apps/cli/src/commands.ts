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

/** The groups of commands, by the first word of the command line. */
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

export const STANDALONE: Readonly<Record<string, StandaloneCommand>> = { 'contract-check': CONTRACT_CHECK };

export function usage(only?: string): string {
  const groups = Object.entries(COMMANDS).filter(([group]) => only === undefined || group === only);
  const grouped = groups.flatMap(([group, commands]) =>
    Object.entries(commands).map(([name, command]) => [`${group} ${name}`, command] as const),
  );
  const lines = [...grouped, ...(only === undefined ? Object.entries(STANDALONE) : [])].flatMap(
    ([name, { usage, summary }]) => [`  ${name} ${usage}`.trimEnd(), `      ${summary}`],
  );
  return [
    `gangway ${only ?? '<group>'} <command> …`,
    '',
    ...lines,
    '',
    'Every command takes --json (the answer for programs) and --help.',
    'Set DATABASE_URL and HASH_KEY. Only contract-check needs more: the settings of the service.',
    'Exit codes: 0 done, 1 failed, 2 wrong command line or configuration.',
  ].join('\n');
}
