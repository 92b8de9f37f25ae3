import { statement } from '../statement.js';

/**
 * Reads the integrations with onboardings that wait for a repair, without paused integrations, which get no
 * probe. Locks nothing.
 */
export const PARKED_INTEGRATIONS = statement(
  'parked_integrations',
  `SELECT DISTINCT o.integration FROM onboardings o
  WHERE o.parked_reason IS NOT NULL AND o.parked_reason <> 'integration_paused'
    AND NOT EXISTS (SELECT 1 FROM integration_pauses p WHERE p.integration = o.integration)`,
  { alone: true },
);

/**
 * Reads parked rows that may continue, parked for longest first, without those that will expire. A row that
 * is parked again waits twice as long as before, up to a limit.
 */
export const PARKED = statement(
  'parked',
  `SELECT o.*, clock_timestamp() AS now FROM onboardings o
  WHERE o.parked_reason IS NOT NULL AND o.parked_reason <> 'integration_paused'
    AND o.integration COLLATE "C" = $integration::text AND o.due_at > clock_timestamp()
    AND (o.parkings <= 1 OR o.parked_at + $everyMs::float8 * power(2, least(o.parkings - 1, $doublings::int))
      * interval '1 millisecond' <= clock_timestamp())
  ORDER BY o.parked_at LIMIT $limit::int`,
  { alone: true },
);

/**
 * Reads resumed integrations with onboardings that the pause has parked. Leaves out integrations whose resume
 * is still under way, because its operation releases their onboardings. Locks nothing.
 */
export const RESUMED_INTEGRATIONS = statement(
  'resumed_integrations',
  `SELECT DISTINCT o.integration FROM onboardings o
  WHERE o.parked_reason IS NOT NULL AND o.parked_reason = 'integration_paused'
    AND NOT EXISTS (SELECT 1 FROM integration_pauses p WHERE p.integration = o.integration)
    AND NOT EXISTS (SELECT 1 FROM operations r WHERE r.state IN ('queued', 'running')
      AND r.action = 'resume_integration' AND r.target ->> 'integration' = o.integration)`,
  { alone: true },
);

/**
 * Reads onboardings that a pause has parked, oldest first; none while the integration is paused. Locks
 * nothing.
 */
export const PARKED_BY_PAUSE = statement(
  'parked_by_pause',
  `SELECT o.*, clock_timestamp() AS now FROM onboardings o
  WHERE o.parked_reason IS NOT NULL AND o.parked_reason = 'integration_paused'
    AND o.integration COLLATE "C" = $integration::text AND o.id > $after::uuid
    AND NOT EXISTS (SELECT 1 FROM integration_pauses p WHERE p.integration = $integration::text)
  ORDER BY o.id LIMIT $limit::int`,
  { alone: true },
);
