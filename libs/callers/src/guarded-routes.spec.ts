import { Controller, Get, UseGuards, type CanActivate, type Type } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import { CallerGuard } from './caller.guard.js';
import { GuardedRoutes } from './guarded-routes.js';
import { Requires } from './requires.decorator.js';

async function boot(controller: Type): Promise<void> {
  const module = await Test.createTestingModule({
    imports: [DiscoveryModule],
    controllers: [controller],
    providers: [GuardedRoutes],
  }).compile();
  module.useLogger(false);
  await module.init();
}

@UseGuards(CallerGuard)
@Controller('v1/good')
class Good {
  @Get()
  @Requires('admin')
  read() {}

  notARoute() {}
}

@UseGuards(CallerGuard)
@Controller('v1/good')
class WithoutScope {
  @Get()
  @Requires('admin')
  read() {}

  @Get('forgotten')
  forgotten() {}
}

@Controller('elsewhere')
class GuardedMethodWithoutScope {
  @Get()
  @UseGuards(CallerGuard)
  forgotten() {}
}

@Controller('elsewhere')
class ScopeWithoutGuard {
  @Get()
  @Requires('admin')
  forgotten() {}
}

class OtherGuard implements CanActivate {
  canActivate = () => true;
}

// The lowest decorator applies first.
@UseGuards(CallerGuard)
@UseGuards(OtherGuard)
@Controller('v1/good')
class OtherGuardFirst {
  @Get()
  @Requires('admin')
  read() {}
}

@Controller(['health', 'v1/bare'])
class BelowTheCallersPath {
  @Get()
  forgotten() {}
}

@Controller('health')
class PublicRoute {
  @Get()
  read() {}
}

describe('an app', () => {
  it.each([Good, PublicRoute])('boots with the controller %p', async (controller) => {
    await expect(boot(controller)).resolves.toBeUndefined();
  });

  it.each([
    [WithoutScope, 'WithoutScope.forgotten has no @Requires'],
    [GuardedMethodWithoutScope, 'GuardedMethodWithoutScope.forgotten has no @Requires'],
    [ScopeWithoutGuard, 'ScopeWithoutGuard.forgotten is not under the CallerGuard'],
    [BelowTheCallersPath, 'BelowTheCallersPath.forgotten is not under the CallerGuard'],
    [
      OtherGuardFirst,
      'OtherGuardFirst.read has a guard before the CallerGuard: put @UseGuards(CallerGuard) lowest',
    ],
  ])('does not boot with the controller %p', async (controller, message) => {
    await expect(boot(controller)).rejects.toThrow(`wrong guards on routes: ${message}`);
  });
});
