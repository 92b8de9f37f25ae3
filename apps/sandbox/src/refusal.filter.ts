import { Catch, HttpException, NotFoundException } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { errorTexts } from './byzantine/error-texts.js';
import { visitOf } from './control/visits.js';
import { doorOf, methodsOf } from './doors.js';
import { Refusal } from './refusal.js';
import { refusals } from './turnkey/refusals.js';
import { TurnkeyRefusal } from './turnkey/turnkey-refusal.js';

/** Answers every error in the form of the upstream: `{error, status}`, bare text, or a gRPC status. */
@Catch()
export class RefusalFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    refuse(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }
}

export function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const refusal = asRefusal(error, request);
  if (refusal.effect) visitOf(request)?.recordEffect(refusal.effect);
  if (refusal.status === 405) void reply.header('allow', methodsOf(request).join(', '));

  const type = refusal.form === 'text' ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
  void reply.code(refusal.status).type(type).send(refusal.body());
}

function asRefusal(error: unknown, request: FastifyRequest): Refusal {
  if (error instanceof Refusal) return error;
  const turnkey = ['public-api', 'auth-proxy'].includes(doorOf(request));
  if (error instanceof NotFoundException && request.is404) {
    const texts = turnkey ? refusals : errorRefusals;
    return methodsOf(request).length > 0 ? texts.wrongMethod() : texts.noRoute();
  }
  const Form = turnkey ? TurnkeyRefusal : Refusal;
  if (error instanceof HttpException) return new Form(error.getStatus(), error.message);
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Form(status, (error as Error).message);
  }
  // The sandbox has no logger.
  console.error(error);
  return turnkey ? refusals.internal() : new Refusal(500, errorTexts.internal);
}

const errorRefusals = {
  noRoute: () => new Refusal(404, errorTexts.noRoute),
  wrongMethod: () => new Refusal(405, errorTexts.wrongMethod),
};
