import { randomUUID } from 'node:crypto';

/** @returns a new attempt's claim. The claim writes nothing from `claimBefore` on, which is in one hour. */
export const aClaim = () => ({ claimId: randomUUID(), claimBefore: new Date(Date.now() + 3_600_000) });
