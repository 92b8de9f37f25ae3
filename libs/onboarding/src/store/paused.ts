/**
 * SQL for whether the integration of the row `o` was paused when the statement began. It misses a pause that
 * is committed while the statement waits for a lock.
 */
export const IS_PAUSED = `EXISTS (
    SELECT 1 FROM integration_pauses p WHERE p.integration = o.integration) AS paused`;
