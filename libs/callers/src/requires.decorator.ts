import { SetMetadata, applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { Scope } from '#libs/kernel';

export const REQUIRES = Symbol('scopes that a route requires');

/**
 * Names the scopes of a route; any one of them opens it. Without it, a route under the `CallerGuard` stops
 * the boot.
 */
export function Requires(...scopes: [Scope, ...Scope[]]) {
  return applyDecorators(
    SetMetadata(REQUIRES, scopes),
    // For the gate's hook, which runs before the body is read and cannot see Nest's metadata.
    RouteConfig({ requires: scopes }),
  );
}
