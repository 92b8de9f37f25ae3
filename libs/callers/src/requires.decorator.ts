import { SetMetadata, applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { Scope } from '#libs/kernel';

export const REQUIRES = Symbol('scopes that a route requires');

/**
 * Names the scopes of a route. A caller needs one of them. A route under the `CallerGuard` without this
 * decorator stops the boot.
 */
export function Requires(...scopes: [Scope, ...Scope[]]) {
  return applyDecorators(
    SetMetadata(REQUIRES, scopes),
    // The gate's hook reads this value. It runs before the body is read and cannot see Nest's metadata.
    RouteConfig({ requires: scopes }),
  );
}
