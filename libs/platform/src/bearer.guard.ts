import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { DEFAULT_CALLER, ProblemError, SCOPES, equalInConstantTime, type Caller } from '#libs/kernel';
import { CONFIG, type Config } from './config.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set by the guard. */
    caller: Caller;
  }
}

const everything: Caller = { name: DEFAULT_CALLER, scopes: new Set(SCOPES), integrations: null };

/** Lets in who carries the configured API key (RFC 6750 §2.1). */
@Injectable()
export class BearerGuard implements CanActivate {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { authorization } = request.headers;
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    if (token && this.config.API_KEY && equalInConstantTime(token, this.config.API_KEY.reveal())) {
      request.caller = everything;
      return true;
    }
    throw new ProblemError('unauthenticated', {
      detail: token ? 'The bearer token is not valid.' : 'Send "Authorization: Bearer <API key>".',
    });
  }
}
