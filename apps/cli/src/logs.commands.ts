import { DEFAULT_MODULE, type ChangedLevel } from '#libs/database';
import { LOG_LEVELS, LOG_MODULES, nearestNames } from '#libs/platform';
import { Misuse, type Group } from './command.js';
import { durationOf } from './duration.js';
import { optional, text } from './options.js';
import { table } from './table.js';

const DAY_MS = 86_400_000;
const DEFAULT_FOR = '15m';
const LONGEST_FOR_MS = 7 * DAY_MS;

/**
 * Operators must not mute modules that log the audit. DEFAULT_MODULE sets the level of all modules without
 * one of their own.
 */
const AUDITING: ReadonlySet<string> = new Set<ChangedLevel['module']>([
  'Audit',
  'OperatorAudit',
  DEFAULT_MODULE,
]);

/** Each change of a level expires, because a forgotten level `debug` would fill the disk. */
export const LOGS: Group = {
  level: {
    usage: `<module>|${DEFAULT_MODULE} <level> [--for ${DEFAULT_FOR}]`,
    summary: 'Changes the level of one module, or of all others, in all processes, for a time.',
    options: { for: text },
    positionals: 2,
    plan({ values, positionals: [name = '', levelName = ''], actor }) {
      const module = moduleOf(name);
      const level = oneOf('level', levelName.toLowerCase(), LOG_LEVELS);
      if (AUDITING.has(module) && LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf('info')) {
        throw new Misuse(`${module} writes lines of the audit, so its level is at most info.`);
      }
      const lasts = optional(values, 'for') ?? DEFAULT_FOR;
      const forMs = durationOf(lasts, 'for');
      if (forMs === 0 || forMs > LONGEST_FOR_MS) throw new Misuse('--for takes a duration from 1s to 7d.');
      return async ({ logLevels, audit }) => {
        const changed = await logLevels.set(module, level, forMs, actor);
        const data = { level, until: changed.until.toISOString() };
        await audit.record({ actor, action: 'log_level_changed', target: module, address: null, data });
        return { lines: linesOf([changed]), json: changed };
      };
    },
  },
  levels: {
    usage: '',
    summary: 'Lists the changed levels, and the names of all modules.',
    options: {},
    positionals: 0,
    plan:
      () =>
      async ({ logLevels }) => {
        const items = await logLevels.list();
        const lines = items.length > 0 ? linesOf(items) : ['All modules have the level LOG_LEVEL.'];
        return {
          lines: [...lines, '', `modules: ${LOG_MODULES.join(', ')}`],
          json: { items, modules: LOG_MODULES },
        };
      },
  },
  reset: {
    usage: `[<module>|${DEFAULT_MODULE}]`,
    summary: 'Ends the change of one module, or all changes.',
    options: {},
    positionals: [0, 1],
    plan({ positionals: [name], actor }) {
      const module = name === undefined ? null : moduleOf(name);
      return async ({ logLevels, audit }) => {
        const modules = await logLevels.reset(module);
        const event = { actor, action: 'log_levels_reset', target: module, address: null, data: { modules } };
        if (modules.length > 0) await audit.record(event);
        const line =
          modules.length > 0 ? `As configured again: ${modules.join(', ')}.` : 'No level was changed.';
        return { lines: [line], json: { modules } };
      };
    },
  },
};

const moduleOf = (name: string): ChangedLevel['module'] =>
  oneOf('module', name, [...LOG_MODULES, DEFAULT_MODULE]);

function oneOf<Name extends string>(kind: string, given: string, names: readonly Name[]): Name {
  const found = names.find((name) => name.toLowerCase() === given.toLowerCase());
  if (found !== undefined) return found;
  const nearest = kind === 'level' ? names : nearestNames(given, names);
  throw new Misuse(`there is no ${kind} "${given}". Similar: ${nearest.join(', ')}.`);
}

const linesOf = (items: readonly ChangedLevel[]): string[] =>
  table([
    ['module', 'level', 'until', 'by'],
    ...items.map(({ module, level, until, actor }) => [module, level, until.toISOString(), actor]),
  ]);
