import { Catch, HttpException } from '@nestjs/common';
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Refusal } from './refusal.js';
import { visitOf } from './control/visits.js';

/** Every answer that is not 2xx, in upstream's form: `{error, status}`, or bare text. */
@Catch()
export class RefusalFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const refusal = asRefusal(error);
    const visit = visitOf(http.getRequest<FastifyRequest>());
    if (visit && refusal.effect) visit.entry.effect = refusal.effect;

    const type = refusal.form === 'text' ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8';
    void http.getResponse<FastifyReply>().code(refusal.status).type(type).send(refusal.body());
  }
}

function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (error instanceof HttpException) return new Refusal(error.getStatus(), error.message);
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new Refusal(status, (error as Error).message);
  }
  // Nobody else would see it: the sandbox runs without a logger.
  console.error(error);
  return new Refusal(500, 'internal error');
}
