import { SetMetadata, applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { Scope } from '#libs/kernel';

export const REQUIRES = Symbol('scopes that a route requires');

/** A caller needs one of the scopes. Under `CallerGuard`, a route without this decorator stops the boot. */
export function Requires(...scopes: [Scope, ...Scope[]]) {
  return applyDecorators(
    SetMetadata(REQUIRES, scopes),
    // `CallerGate` runs before the body is read, and cannot see Nest's metadata.
    RouteConfig({ requires: scopes }),
  );
}
