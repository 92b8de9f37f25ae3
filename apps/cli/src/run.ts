import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { findOutage } from '#libs/database';
import { ProblemError } from '#libs/kernel';
import { ConfigError } from '#libs/platform';
import {
  DONE,
  FAILED,
  FailedWithAnswer,
  MISUSED,
  Misuse,
  type Answer,
  type Command,
  type StandaloneCommand,
} from './command.js';
import { COMMANDS, STANDALONE, usage } from './commands.js';
import { openStore } from './store.js';

export interface Output {
  out(text: string): void;
  err(text: string): void;
}

const UNDEFINED_TABLE = '42P01';

const HELP: ReadonlySet<string> = new Set(['--help', '-h', 'help']);

/** @returns the exit code. */
export async function run(args: string[], env: NodeJS.ProcessEnv, output: Output): Promise<number> {
  const [group = '', name = '', ...words] = args;
  const known = Object.hasOwn(COMMANDS, group) ? group : undefined;
  const asksForHelp = HELP.has(group) || (known !== undefined && HELP.has(name));
  if (args.length === 0 || asksForHelp) {
    output.out(usage(known));
    return args.length === 0 ? MISUSED : DONE;
  }
  const alone = Object.hasOwn(STANDALONE, group) ? STANDALONE[group] : undefined;
  const command = alone ?? find(group, name);
  const [typed, rest] = alone ? [group, args.slice(1)] : [`${group} ${name}`, words];
  if (!command) {
    output.err(`gangway: there is no command "${[group, name].join(' ').trim()}".\n\n${usage(known)}`);
    return MISUSED;
  }
  try {
    return await runCommand(command, typed, rest, env, output);
  } catch (error) {
    const [code, message] = explain(error);
    output.err(`gangway: ${message}`);
    if (error instanceof Misuse) output.err(`usage: gangway ${typed} ${command.usage}`);
    return code;
  }
}

function find(group: string, name: string): Command | undefined {
  const commands = Object.hasOwn(COMMANDS, group) ? COMMANDS[group]! : {};
  return Object.hasOwn(commands, name) ? commands[name] : undefined;
}

async function runCommand(
  command: Command | StandaloneCommand,
  name: string,
  args: string[],
  env: NodeJS.ProcessEnv,
  output: Output,
): Promise<number> {
  const { values, positionals } = parsed(command, args);
  if (values['help']) {
    output.out(`gangway ${name} ${command.usage}\n\n${command.summary}`);
    return DONE;
  }
  const [fewest, most] = Array.isArray(command.positionals)
    ? command.positionals
    : [command.positionals, command.positionals];
  if (positionals.length < fewest || positionals.length > most) {
    const words = fewest === most ? fewest : `${fewest} to ${most}`;
    throw new Misuse(`the command takes ${words} word(s), and you gave ${positionals.length}.`);
  }
  const call = { values, positionals, actor: `cli:${userInfo().username}` };
  const tell = ([code, answer]: [number, Answer]) => {
    output.out(values['json'] ? JSON.stringify(answer.json, null, 2) : answer.lines.map(visible).join('\n'));
    return code;
  };
  if ('planAlone' in command) {
    const work = command.planAlone(call);
    return tell(await outcomeOf(() => work(env)));
  }
  const work = command.plan(call);
  const store = await openStore(env);
  try {
    return tell(await outcomeOf(() => work(store)));
  } finally {
    await store.close();
  }
}

/** Escapes texts that callers and operators choose, so that they cannot move the terminal's cursor. */
const visible = (line: string) =>
  line.replaceAll(/[\p{Cc}\p{Cf}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);

async function outcomeOf(work: () => Promise<Answer>): Promise<[code: number, answer: Answer]> {
  try {
    return [DONE, await work()];
  } catch (error) {
    if (error instanceof FailedWithAnswer) return [FAILED, error.answer];
    throw error;
  }
}

function parsed({ options }: Command | StandaloneCommand, args: string[]) {
  try {
    const all = { ...options, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
    const { values, positionals } = parseArgs({ args, options: all, allowPositionals: true });
    return { values: values as Record<string, string | boolean | undefined>, positionals };
  } catch (error) {
    throw new Misuse((error as Error).message, { cause: error });
  }
}

/** The message has no stack and no value of a setting, because others may read the terminal's history. */
function explain(error: unknown): [code: number, message: string] {
  if (error instanceof Misuse || error instanceof ConfigError) return [MISUSED, error.message];
  if (error instanceof ProblemError) return [FAILED, error.message];
  const outage = findOutage(error);
  if (outage !== null) return [FAILED, `PostgreSQL cannot do this now (see DATABASE_URL): ${outage}`];
  const { code, message } = error as { code?: unknown; message?: string };
  if (code === UNDEFINED_TABLE) return [FAILED, 'The schema is too old for this program: run the migration.'];
  return [FAILED, message ?? String(error)];
}
