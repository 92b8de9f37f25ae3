import { statement } from '../statement.js';

/** The integrations with parked onboardings. Locks nothing. */
export const PARKED_INTEGRATIONS = statement(
  'parked_integrations',
  `SELECT DISTINCT o.integration FROM onboardings o WHERE o.parked_reason IS NOT NULL`,
  { alone: true },
);

/**
 * Parked rows that may go on, longest parked first. Each time a row is parked again, it waits twice as long.
 */
export const PARKED = statement(
  'parked',
  `SELECT o.*, clock_timestamp() AS now FROM onboardings o
  WHERE o.parked_reason IS NOT NULL AND o.integration COLLATE "C" = $integration::text
    AND (o.parkings <= 1 OR o.parked_at + $everyMs::float8 * power(2, least(o.parkings - 1, $doublings::int))
      * interval '1 millisecond' <= clock_timestamp())
  ORDER BY o.parked_at LIMIT $limit::int`,
  { alone: true },
);
