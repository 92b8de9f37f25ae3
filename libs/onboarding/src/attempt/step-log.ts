import { Log } from '#libs/platform';
import type { CallEvidence } from '#libs/upstream';
import type { ParkedReason } from '../flow/codes.js';
import type { Row } from '../flow/row.js';

interface Attempt {
  onboardingId: string;
  integration: string;
  step: string | null;
  attempt: number;
}

const logger = new Log('Steps');

export const aboutAttempt = ({ id, integration, step, attempt }: Row): Attempt => ({
  onboardingId: id,
  integration,
  step,
  attempt,
});

export function logParked(
  { onboardingId, integration, step, attempt }: Attempt,
  reason: ParkedReason,
  upstreamStatus: number | null,
): void {
  const line = { event: 'parked', onboardingId, integration, step, attempt, reason, upstreamStatus };
  logger.warn(line, `${step} of ${integration} is parked: ${reason}`);
}

/**
 * @param failure the failure class, or: `lapsed` (the lease expired before its process wrote the end),
 *   `out_of_time` (no time was left for another try).
 */
export function logOutcomeLost(
  { onboardingId, integration, step, attempt }: Attempt,
  failure: string,
  evidence?: CallEvidence,
): void {
  // The evidence's detail may contain values that must not be logged.
  const { bytesSent, headersSeen, status = null, durationMs } = evidence ?? {};
  const line = { event: 'outcome_lost', onboardingId, integration, step, attempt, class: failure };
  const seen = evidence && { evidence: { bytesSent, headersSeen, status, durationMs } };
  logger.warn({ ...line, ...seen }, `the outcome of ${step} of ${integration} is unknown: ${failure}`);
}
