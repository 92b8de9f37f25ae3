import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';

const MAX_SEQ = 2_147_483_647;

/** The number of the last event that an `EventSource` received (HTML Living Standard §9.2.4), or null. */
export const LastEventId = createParamDecorator((_: unknown, context: ExecutionContext): number | null => {
  const given = context.switchToHttp().getRequest<FastifyRequest>().headers['last-event-id'];
  if (given === undefined) return null;
  const seq = /^\d{1,10}$/.test(String(given)) ? Number(given) : Infinity;
  if (seq <= MAX_SEQ) return seq;
  throw new ProblemError('validation_failed', {
    detail: 'Last-Event-ID takes the id of an event of this stream: a whole number.',
  });
});
