import { parseArgs } from 'node:util';

/** @typedef {import('./flags.d.mts').Command<Record<string, import('./flags.d.mts').Flag>>} Command */

/** The usual exit code for a wrong command line. */
const MISUSED = 2;

/** The message is one line. */
class Misuse extends Error {}

const PLACEHOLDERS = { switch: '', text: ' <text>', count: ' <number>', choice: ' <name>' };

/** Without the two dashes, npm would read the flags as its own. */
const flagged = (name) => (name.startsWith('npm ') && !name.includes(' -- ') ? `${name} --` : name);

/** @param {Command} command */
function help({ name, summary, flags }) {
  const lines = Object.entries(flags).map(([flag, entry]) => {
    const choices = entry.is === 'choice' ? `: ${entry.of.join(', ')}` : '';
    const fallback = 'default' in entry && entry.default !== undefined ? ` (default: ${entry.default})` : '';
    return [`--${flag}${PLACEHOLDERS[entry.is]}`, `${entry.about}${choices}${fallback}`];
  });
  lines.push(['--help, -h', 'prints this']);
  const width = Math.max(...lines.map(([left = '']) => left.length)) + 3;
  const usage = Object.keys(flags).length > 0 ? `${flagged(name)} [flags]` : name;
  return [
    `Usage: ${usage}`,
    '',
    summary,
    '',
    ...lines.map(([left = '', right]) => `  ${left.padEnd(width)}${right}`),
  ].join('\n');
}

/** @param {Command} command @param {string[]} args @returns the values, or undefined if help is asked for */
function read({ name, flags }, args) {
  const types = Object.entries(flags).map(([flag, { is }]) => [
    flag,
    { type: is === 'switch' ? 'boolean' : 'string' },
  ]);
  const options = { ...Object.fromEntries(types), help: { type: 'boolean', short: 'h' } };
  const { tokens } = parseArgs({ args, options, strict: false, allowPositionals: true, tokens: true });
  if (tokens.some((token) => token.kind === 'option' && token.name === 'help')) return undefined;
  /** @type {Record<string, string | number | boolean | undefined>} */
  const values = {};
  for (const [flag, entry] of Object.entries(flags)) {
    values[flag] = entry.is === 'switch' ? false : entry.default;
  }
  for (const token of tokens) {
    if (token.kind === 'positional') throw new Misuse(`${name} takes flags only, not "${token.value}".`);
    if (token.kind !== 'option') continue;
    const flag = Object.hasOwn(flags, token.name) ? flags[token.name] : undefined;
    if (!flag) throw new Misuse(`${name} has no flag ${token.rawName}.`);
    values[token.name] = valueOf(token, flag);
  }
  return values;
}

/** @param {import('./flags.d.mts').Flag} flag */
function wantedBy(flag) {
  if (flag.is === 'choice') return `one of ${flag.of.join(', ')}`;
  return flag.is === 'count' ? 'a whole number from 1 on' : 'a value';
}
/**
 * @param {{rawName: string, value?: string | undefined, inlineValue?: boolean | undefined}} token
 * @param {import('./flags.d.mts').Flag} flag
 */
function valueOf({ rawName, value, inlineValue }, flag) {
  if (flag.is === 'switch') {
    if (value === undefined) return true;
    throw new Misuse(`${rawName} takes no value.`);
  }
  const wants = wantedBy(flag);
  // A word that begins with a dash is the next flag, unless "=" connects it to this flag.
  if (!value || (!inlineValue && value.startsWith('-'))) throw new Misuse(`${rawName} needs ${wants}.`);
  if (flag.is === 'count') {
    if (/^[1-9]\d{0,8}$/.test(value)) return Number(value);
    throw new Misuse(`${rawName} needs ${wants}, not "${value}".`);
  }
  if (flag.is === 'choice' && !flag.of.includes(value))
    throw new Misuse(`${rawName} needs ${wants}, not "${value}".`);
  return value;
}

/**
 * @param {any} command
 * @param {string[]} args the words after the command's name
 * @returns {{values: any} | {help: string} | {wrong: string}} `wrong` is one line
 */
export function readFlags(command, args) {
  try {
    const values = read(command, args);
    return values ? { values } : { help: help(command) };
  } catch (error) {
    if (!(error instanceof Misuse)) throw error;
    return { wrong: `${error.message} For all flags: ${flagged(command.name)} --help` };
  }
}

/**
 * Prints help and exits with code 0, or prints one line about a wrong flag and exits with code 2.
 *
 * @param {any} command
 * @param {string[]} args the words after the command's name
 * @returns {any} the values of the flags
 */
export function flagsOrExit(command, args) {
  const result = readFlags(command, args);
  if ('values' in result) return result.values;
  if ('help' in result) {
    process.stdout.write(`${result.help}\n`);
    process.exit(0);
  }
  process.stderr.write(`gangway: ${result.wrong}\n`);
  process.exit(MISUSED);
}
