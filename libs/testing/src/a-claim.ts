import { randomUUID } from 'node:crypto';

/** What a claim is known by; it may be written within the hour. */
export const aClaim = () => ({ claimId: randomUUID(), claimBefore: new Date(Date.now() + 3_600_000) });
