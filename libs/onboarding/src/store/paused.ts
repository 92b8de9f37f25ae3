/**
 * SQL for a column of a claim's result: whether an operator had paused the integration of the claimed row `o`
 * when the statement began. The column does not show a pause that is committed while the claim waits for a
 * lock.
 */
export const IS_PAUSED = `EXISTS (
    SELECT 1 FROM integration_pauses p WHERE p.integration = o.integration) AS paused`;
