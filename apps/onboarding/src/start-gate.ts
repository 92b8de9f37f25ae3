import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { RateLimits, throwIfOver } from '#libs/callers';
import { ProblemError, type Caller } from '#libs/kernel';
import { OtpService } from '#libs/otp';
import { startBody, type StartBody } from './onboarding.dto.js';

/**
 * Refuses to start an onboarding if the caller may not use the integration, or has sent too many commands
 * about the subject. A body of the wrong shape passes, because the validation pipe refuses it later.
 */
@Injectable()
export class StartGate implements CanActivate {
  constructor(
    private readonly otp: OtpService,
    private readonly limits: RateLimits,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const { caller, counts } = request;
    const { success, data: start } = startBody.safeParse(request.body);
    if (!success || !caller) return true;
    // Before the look-up of the integration, so that a caller cannot learn which integrations exist.
    if (start.integration !== undefined) mayUse(caller, start.integration);
    const { integration, subjectKey } = this.otp.subjectOf(start as StartBody);
    mayUse(caller, integration);
    const count = this.limits.addCommand(caller.name, `${integration}\n${subjectKey}`);
    counts?.push(count);
    throwIfOver([await count]);
    return true;
  }
}

function mayUse({ integrations }: Caller, name: string): void {
  if (integrations === null || integrations.has(name)) return;
  throw new ProblemError('forbidden', { detail: `This caller may not use the integration ${name}.` });
}
