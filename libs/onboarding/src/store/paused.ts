/**
 * SQL for a column that the first write of an attempt returns: whether an operator had paused the integration
 * of the row `o` when the statement began. The column does not show a pause that is committed while the
 * statement waits for a lock.
 */
export const IS_PAUSED = `EXISTS (
    SELECT 1 FROM integration_pauses p WHERE p.integration = o.integration) AS paused`;
