import type { Group } from './command.js';
import { Misuse } from './command.js';
import { optional, text } from './options.js';

export const AUDIT: Group = {
  list: {
    usage: '[--limit 50]',
    summary: 'Lists the latest events of the audit.',
    options: { limit: text },
    positionals: 0,
    plan({ values }) {
      const limit = Number(optional(values, 'limit') ?? '50');
      if (!Number.isInteger(limit) || limit < 1 || limit > 1_000)
        throw new Misuse('--limit takes a whole number from 1 to 1000.');
      return async ({ audit }) => {
        const items = await audit.latest(limit);
        const lines = items.map(({ at, actor, action, target, address, data }) =>
          [at.toISOString(), actor, action, target ?? '–', address ?? '–', JSON.stringify(data)].join('  '),
        );
        return { lines: lines.length > 0 ? lines : ['The audit has no events.'], json: { items } };
      };
    },
  },
};
