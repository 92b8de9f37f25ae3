import { z } from 'zod';
import type { JobDefinition } from '#libs/jobs';

const payload = z.strictObject({ operationId: z.uuid() });
export type OperationPayload = z.infer<typeof payload>;

/** Wakes a worker for an operation. If the job is lost, a scheduled job finds the operation. */
export const operationJob: JobDefinition<OperationPayload> = {
  queue: 'operations',
  name: 'operate',
  payload,
};
