import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { ProblemError, equalInConstantTime } from '#libs/kernel';
import { CONFIG, type Config } from './config.js';

/** Lets in who carries the configured API key (RFC 6750 §2.1). */
@Injectable()
export class BearerGuard implements CanActivate {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  canActivate(context: ExecutionContext): boolean {
    const { authorization } = context.switchToHttp().getRequest<FastifyRequest>().headers;
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (token && equalInConstantTime(token, this.config.API_KEY.reveal())) return true;
    throw new ProblemError('unauthenticated', {
      detail: token ? 'The bearer token is not valid.' : 'Send "Authorization: Bearer <API key>".',
    });
  }
}
