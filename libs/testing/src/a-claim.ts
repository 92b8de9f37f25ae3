import { randomUUID } from 'node:crypto';

/** @returns a claim for a new attempt. It becomes invalid at `claimBefore`, one hour from now. */
export const aClaim = () => ({ claimId: randomUUID(), claimBefore: new Date(Date.now() + 3_600_000) });
