import { HttpStatus } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';
import {
  stepOfState,
  throwIfFailed,
  type KeptAnswer,
  type Operation,
  type Row,
  type StepName,
} from '#libs/onboarding';
import { toOperation } from './operations.dto.js';
import { toResource, type OnboardingResource } from './onboarding.dto.js';

/** `done` is the status of the answer if the step has succeeded. */
interface RunStep {
  step: StepName;
  done: HttpStatus;
}

const RESEND: RunStep = { step: 'init-otp', done: HttpStatus.OK };
const STEP_OF_ROUTE: Record<string, RunStep> = {
  '/v1/onboardings': { step: 'init-otp', done: HttpStatus.CREATED },
  '/v1/onboardings/:id/otp/resend': RESEND,
  '/v1/onboardings/:id/otp/verify': { step: 'verify-otp', done: HttpStatus.OK },
  '/v1/onboardings/:id/authenticators': { step: 'create-authenticators', done: HttpStatus.OK },
};

/** @returns undefined for a route that runs no step. */
export const stepOfRoute = ({ routeOptions: { url = '' } }: FastifyRequest): RunStep | undefined =>
  STEP_OF_ROUTE[url];

/** Sets the version of an onboarding as the ETag. @returns the body of the answer. */
export function answer(reply: FastifyReply, row: Row): OnboardingResource {
  reply.header('ETag', etagOf(row));
  return toResource(row);
}

/**
 * Uses the answer that was stored with the end of the step, if there is one.
 *
 * @throws ProblemError if the step was refused.
 */
export function answerStep(reply: FastifyReply, row: Row): OnboardingResource | string {
  const stored = reply.request.keyed?.answerMaker?.stored;
  return stored ? answerAsStored(reply, stored) : send(reply, stepAnswer(row, stepOfRoute(reply.request)!));
}

/** Answers a decision on an unknown outcome: like a resend if the decision sends a new code. */
export function answerDecision(reply: FastifyReply, row: Row): OnboardingResource {
  return stepOfState(row.state) ? send(reply, stepAnswer(row, RESEND)) : answer(reply, row);
}

/** The status is 202, because the worker carries out the operation. */
export function answerOperation(reply: FastifyReply, operation: Operation) {
  reply.status(HttpStatus.ACCEPTED).header('Location', `/v1/operations/${operation.id}`);
  return toOperation(operation);
}

export function answerAsStored(reply: FastifyReply, { status, headers, body }: KeptAnswer): string {
  reply.status(status).headers(headers);
  return body;
}

/** @returns the answer as Fastify will send it; null if it is an error. */
export function keptAnswer(row: Row, run: RunStep): KeptAnswer | null {
  try {
    const { status, headers, body } = stepAnswer(row, run);
    return {
      status,
      headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
      body: JSON.stringify(body),
    };
  } catch (error) {
    if (error instanceof ProblemError) return null;
    throw error;
  }
}

interface StepAnswer {
  status: HttpStatus;
  headers: Record<string, string>;
  body: OnboardingResource;
}

/** The status is 202 before the step ends, or if it failed through no fault of the caller. */
function stepAnswer(row: Row, { step, done }: RunStep): StepAnswer {
  throwIfFailed(row, step);
  const isNotDone = stepOfState(row.state) !== null || row.lastResult !== null;
  const hasLocation = isNotDone || done === HttpStatus.CREATED;
  return {
    status: isNotDone ? HttpStatus.ACCEPTED : done,
    headers: { etag: etagOf(row), ...(hasLocation && { location: `/v1/onboardings/${row.id}` }) },
    body: toResource(row),
  };
}

function send(reply: FastifyReply, { status, headers, body }: StepAnswer): OnboardingResource {
  reply.status(status).headers(headers);
  return body;
}

const etagOf = ({ version }: Row) => `"${version}"`;
