import { randomUUID } from 'node:crypto';

/** The id of a new attempt, and until when its statement may write it: for the next hour. */
export const aClaim = () => ({ claimId: randomUUID(), claimBefore: new Date(Date.now() + 3_600_000) });
