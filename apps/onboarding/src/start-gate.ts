import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { Observable } from 'rxjs';
import { RateLimits, throwIfOver } from '#libs/callers';
import { ProblemError, type Caller } from '#libs/kernel';
import { OtpService } from '#libs/otp';
import { startBody, type StartBody } from './onboarding.dto.js';

/**
 * What a start must pass that only its body can tell: may this caller use the integration, and was its subject
 * not asked for too often. A body of the wrong shape goes through, to be refused by the pipe.
 */
@Injectable()
export class StartGate implements NestInterceptor {
  constructor(
    private readonly otp: OtpService,
    private readonly limits: RateLimits,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { caller, counts } = request;
    const { success, data: start } = startBody.safeParse(request.body);
    if (!success || !caller) return next.handle();
    // Before anybody looks whether it exists: what a caller may not use is none of its business.
    if (start.integration !== undefined) mayUse(caller, start.integration);
    const { integration, subjectKey } = this.otp.subjectOf(start as StartBody);
    mayUse(caller, integration);
    const count = this.limits.addCommand(caller.name, `${integration}\n${subjectKey}`);
    counts?.push(count);
    throwIfOver([await count]);
    return next.handle();
  }
}

/** A caller with one integration must name it all the same: another one given to it later must change no start. */
function mayUse({ integrations }: Caller, name: string): void {
  if (integrations === null || integrations.has(name)) return;
  throw new ProblemError('forbidden', { detail: `Integration ${name} is not open to this caller.` });
}
