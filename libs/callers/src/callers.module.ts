import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { DatabaseModule } from '#libs/database';
import { ApiKeyExpiry } from './api-key-expiry.js';
import { ApiKeyLogin } from './api-key-login.js';
import { ApiKeys } from './api-keys.js';
import { Audit } from './audit.js';
import { CallerGate } from './caller-gate.js';
import { CallerGuard } from './caller.guard.js';
import { FailedLogins } from './failed-logins.js';
import { GuardedRoutes } from './guarded-routes.js';
import { JwtLogin } from './jwt-login.js';
import { LimitRedis } from './limit-redis.js';
import { Logins } from './logins.js';
import { RateLimits } from './rate-limits.js';
import { RefusedLogins } from './refused-logins.js';

/** Apps that import this module must call `admitCallers`. */
@Module({
  imports: [DatabaseModule, DiscoveryModule],
  providers: [
    ApiKeyExpiry,
    ApiKeyLogin,
    ApiKeys,
    Audit,
    CallerGate,
    CallerGuard,
    FailedLogins,
    GuardedRoutes,
    JwtLogin,
    LimitRedis,
    Logins,
    RateLimits,
    RefusedLogins,
  ],
  exports: [ApiKeys, Audit, CallerGuard, RateLimits],
})
export class CallersModule {}
