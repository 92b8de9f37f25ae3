import { Injectable } from '@nestjs/common';
import type { CanActivate, ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { jsonObject, textIn } from './json-of.js';
import { refusals } from './refusals.js';
import { Turnkey } from './turnkey.js';

@Injectable()
export class AuthProxyGuard implements CanActivate {
  constructor(private readonly turnkey: Turnkey) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers, url, body } = context.switchToHttp().getRequest<FastifyRequest>();
    const { configId, allowedOrigins, captcha } = this.turnkey.authProxy.config;
    const given = headers['x-auth-proxy-config-id'];
    if (given === undefined) throw refusals.configIdMissing();
    if (given !== configId) throw refusals.configIdUnknown();
    const { origin } = headers;
    if (allowedOrigins && !(origin !== undefined && allowedOrigins.includes(origin))) {
      throw refusals.originNotAllowed();
    }
    if (captcha && wantsCaptcha(url, body) && !headers['x-captcha-token']) throw refusals.captchaMissing();
    return true;
  }
}

/** A signup with a verification token needs no captcha token, because sending the code required one. */
function wantsCaptcha(url: string, body: unknown): boolean {
  if (/\/otp_init/.test(url)) return true;
  return /\/signup/.test(url) && textIn(jsonObject(body), 'verificationToken') === null;
}
