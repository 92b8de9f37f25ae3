import { z } from 'zod';
import type { JobDefinition } from '#libs/jobs';
import type { StepName } from '../flow/table.js';

const payload = z.strictObject({ onboardingId: z.uuid() });
export type StepJobPayload = z.infer<typeof payload>;

/** The row decides what the job does. */
export const stepJob = (step: StepName): JobDefinition<StepJobPayload> => ({
  queue: 'steps',
  name: step,
  payload,
});

/** Each attempt's job has its own id, so that it is queued only once. BullMQ does not allow ":" in an id. */
export const stepJobId = (step: StepName, onboardingId: string, attempt: number) =>
  `${onboardingId}_${step}_${attempt}`;
