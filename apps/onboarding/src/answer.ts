import { HttpStatus } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { stepOfState, throwUnlessLedOn, type Operation, type Row, type StepName } from '#libs/onboarding';
import { toOperation } from './operations.dto.js';
import { toResource, type OnboardingResource } from './onboarding.dto.js';

/** The answer that shows an onboarding, with its version as the ETag. */
export function answer(reply: FastifyReply, row: Row): OnboardingResource {
  reply.header('ETag', `"${row.version}"`);
  return toResource(row);
}

/**
 * Answers 202 while the step is under way, or if it failed and the caller did not cause the failure.
 *
 * @param step the step that the caller asked for.
 * @param done the status if the step has succeeded.
 * @throws ProblemError if the step was refused.
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

/** Answers a decision on an unknown outcome. If the decision sends a new code, it is answered as a resend. */
export function answerDecision(reply: FastifyReply, row: Row): OnboardingResource {
  return stepOfState(row.state) ? answerStep(reply, row, 'init-otp') : answer(reply, row);
}

/** The answer to a command that starts an operation: the worker carries it out. */
export function answerOperation(reply: FastifyReply, operation: Operation) {
  reply.status(HttpStatus.ACCEPTED).header('Location', `/v1/operations/${operation.id}`);
  return toOperation(operation);
}
