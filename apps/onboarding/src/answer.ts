import { HttpStatus } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { stepOfState, throwUnlessLedOn, type Row, type StepName } from '#libs/onboarding';
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
  throwUnlessLedOn(row, step);
  const isNotDone = stepOfState(row.state) !== null || row.lastResult !== null;
  if (isNotDone || done === HttpStatus.CREATED) reply.header('Location', `/v1/onboardings/${row.id}`);
  reply.status(isNotDone ? HttpStatus.ACCEPTED : done);
  return answer(reply, row);
}

/** The end of a decision: one on a lost verification may have a new code sent, which may take its time. */
export function answerDecision(reply: FastifyReply, row: Row): OnboardingResource {
  return stepOfState(row.state) ? answerStep(reply, row, 'init-otp') : answer(reply, row);
}
