import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';

/** For routes with an answer that must not be stored. Ignoring the header would mislead the caller. */
@Injectable()
export class RefuseIdempotencyKey implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    if (headers['idempotency-key'] === undefined) return true;
    throw new ProblemError('validation_failed', {
      detail:
        'This route takes no Idempotency-Key: to repeat an answer, it would have to store a token. ' +
        'If an answer was lost, list the keys and revoke the one with the lost token.',
    });
  }
}
