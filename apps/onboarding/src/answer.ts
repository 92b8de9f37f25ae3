import { HttpStatus } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { stepOfState, throwIfRefused, type Row, type StepName } from '#libs/onboarding';
import { toResource, type OnboardingResource } from './onboarding.dto.js';

/** The onboarding, under its version. */
export function answer(reply: FastifyReply, row: Row): OnboardingResource {
  reply.header('ETag', `"${row.version}"`);
  return toResource(row);
}

/**
 * The end of a step: 202 while it is under way, or ended without its caller being at fault.
 *
 * @param step the one that the caller asked for.
 * @throws ProblemError where the step was refused.
 */
export function answerStep(
  reply: FastifyReply,
  row: Row,
  step: StepName,
  done: HttpStatus = HttpStatus.OK,
): OnboardingResource {
  throwIfRefused(row, step);
  const underWay = stepOfState(row.state) !== null || row.lastResult !== null;
  if (underWay || done === HttpStatus.CREATED) reply.header('Location', `/v1/onboardings/${row.id}`);
  reply.status(underWay ? HttpStatus.ACCEPTED : done);
  return answer(reply, row);
}
