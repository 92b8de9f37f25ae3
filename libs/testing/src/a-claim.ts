import { randomUUID } from 'node:crypto';

/** A claim for a new attempt, valid for one hour. */
export const aClaim = () => ({ claimId: randomUUID(), claimBefore: new Date(Date.now() + 3_600_000) });
