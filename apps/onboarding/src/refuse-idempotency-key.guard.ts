import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';

/**
 * Refuses `Idempotency-Key` on routes whose answer must not be stored. If the service ignored the header, the
 * caller would expect a stored answer.
 */
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
