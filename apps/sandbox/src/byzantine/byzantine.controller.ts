import { Body, Controller, Get, HttpCode, Post, Req, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { visitOf } from '../control/visits.js';
import { JsonBody } from '../json-body.pipe.js';
import type { Outcome } from '../outcome.js';
import { createAuthenticatorsRequest, initOtpRequest, otpAuthRequest } from './byzantine.dto.js';
import type { CreateAuthenticatorsRequest, InitOtpRequest, OtpAuthRequest } from './byzantine.dto.js';
import { IntegratorApi } from './integrator-api.js';
import type { IntegratorKey } from './integrator-keys.js';
import { SignatureGuard } from './signature.guard.js';

/** The OTP part of Byzantine's Integrator API. All routes except health need a signature. */
@Controller('v1')
export class ByzantineController {
  constructor(private readonly api: IntegratorApi) {}

  @Get('health')
  health(): object {
    return { status: 'OK' };
  }

  @Get('integrator/whoami')
  @UseGuards(SignatureGuard)
  whoami(@Req() request: FastifyRequest): object {
    return this.api.whoami(visitOf(request)?.verdict?.key as IntegratorKey);
  }

  @Post('submit/init-otp')
  @HttpCode(200)
  @UseGuards(SignatureGuard)
  initOtp(
    @Body(new JsonBody(initOtpRequest, 'text')) body: InitOtpRequest,
    @Req() request: FastifyRequest,
  ): object {
    return settle(request, this.api.initOtp(body));
  }

  @Post('submit/otp-auth')
  @HttpCode(200)
  @UseGuards(SignatureGuard)
  otpAuth(
    @Body(new JsonBody(otpAuthRequest, 'text')) body: OtpAuthRequest,
    @Req() request: FastifyRequest,
  ): object {
    return settle(request, this.api.otpAuth(body));
  }

  @Post('submit/create-authenticators-otp')
  @HttpCode(200)
  @UseGuards(SignatureGuard)
  createAuthenticators(
    @Body(new JsonBody(createAuthenticatorsRequest, 'text')) body: CreateAuthenticatorsRequest,
    @Req() request: FastifyRequest,
  ): object {
    return settle(request, this.api.createAuthenticators(body));
  }
}

/** Writes the effect to the journal before the answer, which a fault may delay or drop. */
function settle<Answer extends object>(request: FastifyRequest, { answer, effect }: Outcome<Answer>): Answer {
  visitOf(request)?.recordEffect(effect);
  return answer;
}
