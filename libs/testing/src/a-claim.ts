import { randomUUID } from 'node:crypto';

/** The identity of a claim that can be written within the next hour. */
export const aClaim = () => ({ claimId: randomUUID(), claimBefore: new Date(Date.now() + 3_600_000) });
