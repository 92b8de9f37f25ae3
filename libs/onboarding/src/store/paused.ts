/** SQL for a claim's answer: whether an operator has paused the integration of the claimed row `c`. */
export const IS_PAUSED = `EXISTS (
    SELECT 1 FROM integration_pauses p WHERE p.integration = c.integration) AS paused`;
