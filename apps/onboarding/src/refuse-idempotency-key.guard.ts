import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';

/** For routes whose answer must not be kept: a header that is ignored would be a promise broken. */
@Injectable()
export class RefuseIdempotencyKey implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    if (headers['idempotency-key'] === undefined) return true;
    throw new ProblemError('validation_failed', {
      detail:
        'No Idempotency-Key here: to give the same answer again, its token would have to be kept. ' +
        'If an answer was lost, list the keys and revoke the one that nobody has.',
    });
  }
}
