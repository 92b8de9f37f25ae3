import { z } from 'zod';
import type { JobDefinition } from '#libs/jobs';
import type { StepName } from '../flow/table.js';

const payload = z.strictObject({
  onboardingId: z.uuid(),
  /** The attempt that the job was added for. The row decides what is done. */
  attempt: z.int().positive(),
});
export type StepJobPayload = z.infer<typeof payload>;

/** A wake-up call for a step that waits for its next try. */
export const stepJob = (step: StepName): JobDefinition<StepJobPayload> => ({
  queue: 'steps',
  name: step,
  payload,
});

/** The id derives from the intent, so that one try is queued once; BullMQ refuses ":" in it. */
export const stepJobId = (step: StepName, { onboardingId, attempt }: StepJobPayload) =>
  `${onboardingId}_${step}_${attempt}`;
