import { isUuid } from '#libs/kernel';
import type { UnknownRefusal } from '#libs/onboarding';
import { Misuse, type Group } from './command.js';
import { optional, text, wholeNumber } from './options.js';
import { table } from './table.js';

/** Commands for refusals with an error text that the service does not know (docs/decisions/0037). */
export const REFUSALS: Group = {
  list: {
    usage: '[--integration <name>] [--limit <n>]',
    summary: 'Lists refusals of providers with unknown texts, the latest first.',
    options: { integration: text, limit: text },
    positionals: 0,
    plan({ values }) {
      const limit = wholeNumber(values, 'limit', 1_000, 100);
      return async ({ refusals }) => {
        const items = await refusals.list(optional(values, 'integration') ?? null, limit);
        return { lines: items.length > 0 ? linesOf(items) : ['All refusals are known.'], json: { items } };
      };
    },
  },
  forget: {
    usage: '<id>\n  refusals forget all --integration <name>',
    summary:
      'Deletes one text, or all texts of an integration. A text that a provider sends again is listed again.',
    options: { integration: text },
    positionals: 1,
    plan({ values, positionals: [word = ''], actor }) {
      const integration = optional(values, 'integration');
      const all = word === 'all';
      if (!all && !isUuid(word)) throw new Misuse('give the id of a text (see refusals list), or "all".');
      if (all !== (integration !== undefined))
        throw new Misuse('give --integration together with "all", but not with an id.');
      return async ({ refusals, audit }) => {
        const which = integration === undefined ? { id: word } : { integration };
        const gone = await refusals.forget(which);
        const event = {
          actor,
          action: 'unknown_refusals_forgotten',
          target: integration ?? word,
          address: null,
        };
        if (gone.length > 0) await audit.record({ ...event, data: { count: gone.length } });
        const line = gone.length > 0 ? `Forgotten: ${gone.length}.` : 'There is no such text.';
        return { lines: [line], json: { forgotten: gone } };
      };
    },
  },
};

const linesOf = (items: readonly UnknownRefusal[]): string[] =>
  table([
    ['id', 'integration', 'call', 'status', 'count', 'last seen', 'example', 'text'],
    ...items.map((each) => [
      each.id,
      each.integration,
      each.step,
      each.status,
      each.count,
      each.lastSeenAt.toISOString(),
      each.onboardingId,
      each.refusal || '(other texts)',
    ]),
  ]);
