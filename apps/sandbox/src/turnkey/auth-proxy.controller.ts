import { Controller, HttpCode, Post, Req, UseGuards } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { visitOf } from '../control/visits.js';
import type { Outcome } from '../outcome.js';
import { AuthProxyGuard } from './auth-proxy.guard.js';
import * as dto from './auth-proxy.dto.js';
import { checked, jsonObject } from './json-of.js';
import { Turnkey } from './turnkey.js';

/** Requests to Turnkey's Auth Proxy contain the id of its configuration, and are not signed. */
@Controller('v1')
@UseGuards(AuthProxyGuard)
export class AuthProxyController {
  constructor(private readonly turnkey: Turnkey) {}

  @Post('otp_init')
  @HttpCode(200)
  initPlain(@Req() request: FastifyRequest): object {
    return settle(request, this.turnkey.authProxy.init(bodyOf(request, dto.proxyInit), false));
  }

  @Post('otp_init_v2')
  @HttpCode(200)
  init(@Req() request: FastifyRequest): object {
    return settle(request, this.turnkey.authProxy.init(bodyOf(request, dto.proxyInit), true));
  }

  @Post('otp_verify')
  @HttpCode(200)
  verifyPlain(@Req() request: FastifyRequest): object {
    return settle(request, this.turnkey.authProxy.verifyPlain(bodyOf(request, dto.proxyVerifyPlain)));
  }

  @Post('otp_verify_v2')
  @HttpCode(200)
  async verify(@Req() request: FastifyRequest): Promise<object> {
    return settle(request, await this.turnkey.authProxy.verify(bodyOf(request, dto.proxyVerify)));
  }

  @Post('otp_login')
  @HttpCode(200)
  loginPlain(@Req() request: FastifyRequest): object {
    return settle(request, this.turnkey.authProxy.logIn(bodyOf(request, dto.proxyLoginPlain), false));
  }

  @Post('otp_login_v2')
  @HttpCode(200)
  login(@Req() request: FastifyRequest): object {
    return settle(request, this.turnkey.authProxy.logIn(bodyOf(request, dto.proxyLogin), true));
  }

  @Post('signup')
  @HttpCode(200)
  signUpPlain(@Req() request: FastifyRequest): object {
    return settle(request, this.turnkey.authProxy.signUp(bodyOf(request, dto.signUp), false));
  }

  @Post('signup_v2')
  @HttpCode(200)
  signUp(@Req() request: FastifyRequest): object {
    return settle(request, this.turnkey.authProxy.signUp(bodyOf(request, dto.signUp), true));
  }

  @Post('account')
  @HttpCode(200)
  account(@Req() request: FastifyRequest): object {
    return this.turnkey.authProxy.account(bodyOf(request, dto.account));
  }

  @Post('wallet_kit_config')
  @HttpCode(200)
  walletKitConfig(@Req() request: FastifyRequest): object {
    bodyOf(request, dto.nothing, '{}');
    return this.turnkey.authProxy.walletKitConfig();
  }

  @Post('wallet_kit_client_params')
  @HttpCode(200)
  walletKitClientParams(@Req() request: FastifyRequest): object {
    bodyOf(request, dto.nothing, '{}');
    return this.turnkey.authProxy.walletKitClientParams();
  }
}

/** @param missing the default for a missing body; null if a body is required */
function bodyOf<Schema extends z.ZodType>(
  { body }: FastifyRequest,
  schema: Schema,
  missing: string | null = null,
): z.output<Schema> {
  const empty = !Buffer.isBuffer(body) || body.length === 0;
  return checked(schema, jsonObject(empty && missing !== null ? Buffer.from(missing) : body));
}

/** Writes the effect to the journal before the answer, which a fault may delay or drop. */
function settle(request: FastifyRequest, { answer, effect }: Outcome<object>): object {
  visitOf(request)?.recordEffect(effect);
  return answer;
}
