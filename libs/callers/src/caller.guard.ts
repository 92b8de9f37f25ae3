import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError, type Scope } from '#libs/kernel';
import { throwIfOver } from './limit-headers.js';
import { REQUIRES } from './requires.decorator.js';

/** Checks the rate limits and the scope of a request (RFC 6750 §3.1). */
@Injectable()
export class CallerGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const { caller, counts = [] } = http.getRequest<FastifyRequest>();
    // The gate has already refused unknown callers. An app without the gate refuses every request here.
    if (!caller) throw new ProblemError('unauthenticated', { detail: 'The request is not authenticated.' });
    throwIfOver(await Promise.all(counts));
    const needed = this.reflector.get<Scope[] | undefined>(REQUIRES, context.getHandler()) ?? [];
    if (needed.some((scope) => caller.scopes.has(scope))) return true;
    const challenge = `Bearer realm="gangway", error="insufficient_scope", scope="${needed.join(' ')}"`;
    http.getResponse<FastifyReply>().header('WWW-Authenticate', challenge);
    throw new ProblemError('forbidden', {
      detail: `This request needs the scope ${needed.join(' or ')}.`,
      extensions: { requiredScopes: needed },
    });
  }
}
