import { statement } from '../statement.js';

/** Reads ended onboardings whose retention time is over, oldest first. Locks nothing. */
export const KEPT_TOO_LONG = statement(
  'kept_too_long',
  `SELECT o.*, clock_timestamp() AS now FROM onboardings o
  WHERE o.state IN ('completed', 'failed', 'expired', 'cancelled') AND o.erased_at IS NULL
    AND o.updated_at < (SELECT clock_timestamp()) - $keptMs::float8 * interval '1 millisecond'
  ORDER BY o.updated_at LIMIT $limit::int`,
  { alone: true },
);
