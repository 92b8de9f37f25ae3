import type { State } from '../flow/table.js';
import { listStatement, type Listed } from './list.js';

/** The filters of a list, with several states. No state: any. */
export type ListedStates = Omit<Listed, 'state'> & { states: readonly State[] | undefined };

/**
 * SQL for the ids of a list, as a subquery. A row shows one state, so the lists of several states have no row in
 * common.
 */
export function listedIds({ states, ...listed }: ListedStates): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const lists = (states?.length ? [...new Set(states)] : [undefined]).map((state) => {
    const list = listStatement({ ...listed, state });
    const before = values.length;
    values.push(...list.values);
    const text = list.text.replaceAll(/\$(\d+)/g, (_, n: string) => `$${Number(n) + before}`);
    return `SELECT listed.id FROM (${text}) listed`;
  });
  return { text: lists.join('\nUNION ALL\n'), values };
}
