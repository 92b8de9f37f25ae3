import { Catch, HttpException } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from './refusal.js';
import { visitOf } from './control/visits.js';
import { isAuthProxy, isPublicApi } from './turnkey/turnkey-paths.js';
import { TurnkeyRefusal } from './turnkey/turnkey-refusal.js';

/** Every answer that is not 2xx, in its upstream's form: `{error, status}`, bare text, or a gRPC status. */
@Catch()
export class RefusalFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const refusal = asRefusal(error, isTurnkey(request.url) ? TurnkeyRefusal : Refusal);
    if (refusal.effect) visitOf(request)?.took(refusal.effect);

    const type = refusal.form === 'text' ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
    void http.getResponse<FastifyReply>().code(refusal.status).type(type).send(refusal.body());
  }
}

function asRefusal(error: unknown, Form: typeof Refusal | typeof TurnkeyRefusal): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof HttpException) return new Form(error.getStatus(), error.message);
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Form(status, (error as Error).message);
  }
  // Nobody else would see it: the sandbox runs without a logger.
  console.error(error);
  return new Form(500, 'internal error');
}

function isTurnkey(url: string): boolean {
  const path = url.split('?', 1)[0] ?? url;
  return isPublicApi(path) || isAuthProxy(path);
}
