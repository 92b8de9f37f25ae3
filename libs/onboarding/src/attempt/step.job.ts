import { z } from 'zod';
import type { JobDefinition } from '#libs/jobs';
import type { StepName } from '../flow/table.js';

const payload = z.strictObject({ onboardingId: z.uuid() });
export type StepJobPayload = z.infer<typeof payload>;

/** A wake-up call for a step that waits for its next try. The row decides what to do. */
export const stepJob = (step: StepName): JobDefinition<StepJobPayload> => ({
  queue: 'steps',
  name: step,
  payload,
});

/**
 * One id per try, so that each try is queued once. BullMQ does not allow ":" in an id.
 *
 * @param attempt the number of the next attempt.
 */
export const stepJobId = (step: StepName, onboardingId: string, attempt: number) =>
  `${onboardingId}_${step}_${attempt}`;
