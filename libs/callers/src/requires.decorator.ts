import { SetMetadata, applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiExtension, ApiSecurity } from '@nestjs/swagger';
import type { Scope } from '#libs/kernel';

export const REQUIRES = Symbol('scopes that a route requires');

/**
 * Says which scopes open a route; any one of them will do. A route under the `CallerGuard` without it stops the boot.
 */
export function Requires(...scopes: [Scope, ...Scope[]]) {
  return applyDecorators(
    SetMetadata(REQUIRES, scopes),
    // For the hook that asks who it is before the body is read, where Nest's metadata are out of reach.
    RouteConfig({ requires: scopes }),
    // Alternatives in OpenAPI are entries of their own.
    ...scopes.map((scope) => ApiSecurity('bearer', [scope])),
    ApiExtension('x-required-scopes', scopes),
  );
}
