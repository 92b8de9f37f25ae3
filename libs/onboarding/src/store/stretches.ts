/** An index whose first column is a key in byte order, and whose last column is the id. */
export interface KeyedIndex {
  /** The SQL expression of the key, over the row `o`. */
  key: string;
  /** The condition of a partial index. */
  only?: string;
}

/**
 * @param beginnings SQL for an array of texts.
 * @returns SQL for `WITH RECURSIVE` that jumps in the index from key to key with one of these beginnings.
 */
export const stretchesSql = (
  { key, only }: KeyedIndex,
  beginnings: string,
) => `stretches (beginning, key) AS (
  SELECT beginning, beginning COLLATE "C" FROM unnest(${beginnings}) AS beginning
  UNION ALL
  SELECT stretches.beginning, next.key FROM stretches CROSS JOIN LATERAL (
    SELECT ${key} AS key FROM onboardings o WHERE ${key} > stretches.key ${only ? `AND ${only}` : ''}
    ORDER BY ${key} LIMIT 1
  ) next
  WHERE starts_with(next.key, stretches.beginning)
)`;
