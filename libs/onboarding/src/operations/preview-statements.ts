import { SHOWN_COLUMNS } from '../store/read-row.js';
import type { Actor, OperationTarget } from './operation.js';
import { filteredBy, type Sql } from './start-statement.js';

const COLUMNS = SHOWN_COLUMNS.map((name) => `o.${name}`).join(', ');

/** @returns SQL for the count, up to `limit`, and for the newest rows. Neither locks rows. */
export function previewStatements(
  target: OperationTarget,
  actor: Pick<Actor, 'integrations'>,
  { sample, limit }: { sample: number; limit: number },
): { all: Sql; newest: Sql } {
  if ('filter' in target) {
    const { text, values } = filteredBy(target.filter, actor, { order: 'any', limit });
    return {
      all: { text: `SELECT count(*)::int AS count FROM (${text}) listed`, values },
      newest: filteredBy(target.filter, actor, { order: 'newest first', limit: sample }),
    };
  }
  const known = `FROM onboardings o
    WHERE o.id = ANY ($1::uuid[]) AND ($2::text[] IS NULL OR o.integration = ANY ($2::text[]))`;
  const values = [[...target.ids], actor.integrations ?? null];
  return {
    all: { text: `SELECT count(*)::int AS count ${known}`, values },
    newest: {
      text: `SELECT ${COLUMNS}, statement_timestamp() AS now ${known} ORDER BY o.id DESC LIMIT $3::int`,
      values: [...values, sample],
    },
  };
}
