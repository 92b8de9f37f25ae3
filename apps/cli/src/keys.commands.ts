import type { ApiKey, MadeApiKey } from '#libs/callers';
import { SCOPES, isScope, type Scope } from '#libs/kernel';
import { Misuse, type Answer, type Call, type Group } from './command.js';
import { durationOf } from './duration.js';
import { optional, required, text } from './options.js';

export const KEYS: Group = {
  create: {
    usage: '--caller <name> --scopes a,b [--integrations x,y] [--expires-in 90d] [--name <text>]',
    summary: `Makes a key and prints its token, only once. Scopes: ${SCOPES.join(', ')}.`,
    options: { caller: text, scopes: text, integrations: text, 'expires-in': text, name: text },
    positionals: 0,
    plan({ values, actor }) {
      const life = optional(values, 'expires-in');
      const wanted = {
        caller: required(values, 'caller'),
        scopes: scopesOf(required(values, 'scopes')),
        integrations: listOf(optional(values, 'integrations')),
        name: optional(values, 'name') ?? null,
        lifeMs: life === undefined ? null : positive(durationOf(life, 'expires-in')),
      };
      return async ({ keys }) => made(await keys.create(wanted, { actor, address: null }));
    },
  },
  list: {
    usage: '[--caller <name>]',
    summary: 'Lists the keys, newest first.',
    options: { caller: text },
    positionals: 0,
    plan({ values }) {
      const caller = optional(values, 'caller') ?? null;
      return async ({ keys }) => {
        const items = await keys.list(caller);
        return { lines: items.length > 0 ? items.map(lineOf) : ['There are no keys.'], json: { items } };
      };
    },
  },
  rotate: {
    usage: '<id> [--overlap 24h]',
    summary: 'Makes a new key with the same rights. The old key works for the time of --overlap.',
    options: { overlap: text },
    positionals: 1,
    plan(call) {
      const id = idOf(call);
      const overlapMs = durationOf(optional(call.values, 'overlap') ?? '24h', 'overlap');
      const who = { actor: call.actor, address: null };
      return async ({ keys }) => made(await keys.rotate(id, overlapMs, who));
    },
  },
  revoke: {
    usage: '<id>',
    summary:
      'Revokes a key for good. A process that has cached the key refuses it after at most API_KEY_CACHE_MS.',
    options: {},
    positionals: 1,
    plan(call) {
      const id = idOf(call);
      return async ({ keys }) => {
        const key = await keys.revoke(id, { actor: call.actor, address: null });
        return { lines: [lineOf(key)], json: key };
      };
    },
  },
};

function made({ key, token }: MadeApiKey): Answer {
  const expires = key.expiresAt ? `expires ${key.expiresAt.toISOString()}` : 'does not expire';
  return {
    lines: [
      `API key ${key.id} of ${key.caller}: ${key.scopes.join(', ')}; ${expires}.`,
      'The token of the key, which is shown only once:',
      token.reveal(),
    ],
    json: { ...key, token: token.reveal() },
  };
}

function lineOf({ id, caller, state, scopes, integrations, name, expiresAt, lastUsedAt }: ApiKey): string {
  return [
    id,
    state.padEnd(7),
    caller,
    scopes.join(','),
    `integrations=${integrations?.join(',') ?? 'all'}`,
    `expires=${expiresAt?.toISOString() ?? 'never'}`,
    `used=${lastUsedAt?.toISOString() ?? 'never'}`,
    ...(name ? [JSON.stringify(name)] : []),
  ].join('  ');
}

function scopesOf(list: string): Scope[] {
  const words = listOf(list) ?? [];
  const unknown = words.filter((word) => !isScope(word));
  if (unknown.length > 0) {
    throw new Misuse(`--scopes: unknown: ${unknown.join(', ')}. The scopes are: ${SCOPES.join(', ')}.`);
  }
  return words.filter(isScope);
}

/** The error does not repeat the id, because it may be a whole token, pasted by mistake. */
function idOf({ positionals: [id = ''] }: Call): string {
  if (/^[0-9a-f]{20}$/.test(id)) return id;
  throw new Misuse('give the id of a key (20 hex digits, see keys list), not a token.');
}

function positive(lifeMs: number): number {
  if (lifeMs > 0) return lifeMs;
  throw new Misuse('--expires-in is 0: such a key would never work.');
}

const listOf = (list: string | undefined): string[] | null =>
  list === undefined
    ? null
    : list
        .split(',')
        .map((each) => each.trim())
        .filter(Boolean);
