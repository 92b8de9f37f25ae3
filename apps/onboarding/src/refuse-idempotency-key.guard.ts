import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';

/** For routes whose answer must not be stored: a caller with `Idempotency-Key` expects a stored answer. */
@Injectable()
export class RefuseIdempotencyKey implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    if (headers['idempotency-key'] === undefined) return true;
    throw new ProblemError('validation_failed', {
      detail:
        'Send this request without Idempotency-Key. The service does not store API tokens, ' +
        'so it cannot repeat the answer. If an answer was lost, list the API keys and revoke the new one.',
    });
  }
}
