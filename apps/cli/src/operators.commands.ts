import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { FIRST_PASSWORD_DAYS, ROLES, type OperatorAccount, type Role } from '#libs/operators';
import { Misuse, type Answer, type Call, type Command, type Group, type Values } from './command.js';
import { required, text } from './options.js';
import type { Store } from './store.js';

const PASSWORD_STDIN = { 'password-stdin': { type: 'boolean' } } as const;
const STANDARD_INPUT = 0;

/** The operators' accounts of the console. */
export const OPERATORS: Group = {
  create: {
    usage: '--name <name> --role viewer|operator|admin [--password-stdin]',
    summary: 'Makes an account. Prints a random first password once, or reads one with --password-stdin.',
    options: { name: text, role: text, ...PASSWORD_STDIN },
    positionals: 0,
    plan({ values, actor }) {
      const [name, role] = [required(values, 'name'), roleOf(required(values, 'role'))];
      return async (store) => {
        const password = passwordOf(values);
        const account = await store.operators.create({ name, role, password: password.text });
        return changed(store, actor, 'operator_created', account, password);
      };
    },
  },
  list: {
    usage: '',
    summary: 'Lists the accounts.',
    options: {},
    positionals: 0,
    plan() {
      return async ({ operators }) => {
        const items = await operators.list();
        return { lines: items.length > 0 ? items.map(lineOf) : ['There are no accounts.'], json: { items } };
      };
    },
  },
  'set-password': {
    usage: '<name> [--password-stdin]',
    summary: 'Gives an account a new first password (see create), and ends the sessions of the account.',
    options: PASSWORD_STDIN,
    positionals: 1,
    plan({ values, positionals: [name = ''], actor }) {
      return async (store) => {
        const password = passwordOf(values);
        const account = await store.operators.setPassword(name, password.text);
        return changed(store, actor, 'operator_password_set', account, password);
      };
    },
  },
  'set-role': {
    usage: '<name> --role viewer|operator|admin',
    summary: 'Changes the role of an account, and ends the sessions of the account.',
    options: { role: text },
    positionals: 1,
    plan({ values, positionals: [name = ''], actor }) {
      const role = roleOf(required(values, 'role'));
      return async (store) =>
        changed(store, actor, 'operator_role_set', await store.operators.setRole(name, role));
    },
  },
  disable: switching('Blocks all logins to an account, and ends the sessions of the account.', 'disable'),
  enable: switching('Allows logins to an account again.', 'enable'),
};

function switching(summary: string, verb: 'disable' | 'enable'): Command {
  return {
    usage: '<name>',
    summary,
    options: {},
    positionals: 1,
    plan({ positionals: [name = ''], actor }: Call) {
      return async (store) => changed(store, actor, `operator_${verb}d`, await store.operators[verb](name));
    },
  };
}

interface Password {
  text: string;
  /** True if this process chose the password, so that it must print it. */
  isMadeUp: boolean;
}

/**
 * A password is never an argument: other users of the machine can read the command line, and shells store it.
 */
function passwordOf(values: Values): Password {
  if (!values['password-stdin']) return { text: randomBytes(18).toString('base64url'), isMadeUp: true };
  return { text: readFileSync(STANDARD_INPUT, 'utf8').replace(/\r?\n$/, ''), isMadeUp: false };
}

async function changed(
  { audit }: Store,
  actor: string,
  action: string,
  account: OperatorAccount,
  password?: Password,
): Promise<Answer> {
  const data = { role: account.role };
  await audit.record({ actor, action, target: `operator:${account.name}`, address: null, data });
  const told = password?.isMadeUp ? ['The first password, which is shown only once:', password.text] : [];
  return {
    lines: [lineOf(account), ...told, ...(password ? [FIRST] : [])],
    json: { ...account, ...(password?.isMadeUp && { password: password.text }) },
  };
}

const FIRST =
  `The operator must log in within ${FIRST_PASSWORD_DAYS} days ` +
  'and choose another password at /ops/account. Until then, no other page opens.';

function lineOf({ name, role, disabledAt, lastLoginAt, mustChange }: OperatorAccount): string {
  const state = disabledAt ? 'disabled' : mustChange ? 'first password' : 'active';
  return `${name}  ${role.padEnd(8)}  ${state}  last login ${lastLoginAt?.toISOString() ?? 'never'}`;
}

function roleOf(word: string): Role {
  const role = ROLES.find((each) => each === word);
  if (role) return role;
  throw new Misuse(`--role is one of ${ROLES.join(', ')}.`);
}
