import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { refusals } from './refusals.js';
import { Turnkey } from './turnkey.js';

/** Lets a request into the Auth Proxy by its config id, and by its origin and captcha where the configuration asks. */
@Injectable()
export class AuthProxyGuard implements CanActivate {
  constructor(private readonly turnkey: Turnkey) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers, url } = context.switchToHttp().getRequest<FastifyRequest>();
    const { configId, allowedOrigins, captcha } = this.turnkey.authProxy.config;
    const given = headers['x-auth-proxy-config-id'];
    if (given === undefined) throw refusals.configIdMissing();
    if (given !== configId) throw refusals.configIdUnknown();
    const { origin } = headers;
    if (allowedOrigins && !(origin !== undefined && allowedOrigins.includes(origin))) {
      throw refusals.originNotAllowed();
    }
    if (captcha && /\/(?:otp_init|signup)/.test(url) && !headers['x-captcha-token']) {
      throw refusals.captchaMissing();
    }
    return true;
  }
}
