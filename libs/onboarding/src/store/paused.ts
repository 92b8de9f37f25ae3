/**
 * SQL for a claim's answer: whether an operator had paused the integration of the claimed row `c` when the
 * statement began. A pause that is committed while the claim waits for a lock is not seen.
 */
export const IS_PAUSED = `EXISTS (
    SELECT 1 FROM integration_pauses p WHERE p.integration = c.integration) AS paused`;
