import { Injectable, type OnModuleInit } from '@nestjs/common';
import { GUARDS_METADATA, METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { CallerGuard } from './caller.guard.js';
import { REQUIRES } from './requires.decorator.js';

/** Every route under this path, e.g. under `/v1`, needs a scope. */
const CALLERS_PATH = /^\/?v\d+(\/|$)/;

/**
 * Stops the boot if a route
 * - has the CallerGuard but no scope, or a scope but no CallerGuard;
 * - is under `CALLERS_PATH` and has no CallerGuard;
 * - has another guard before the CallerGuard.
 */
@Injectable()
export class GuardedRoutes implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
  ) {}

  onModuleInit(): void {
    const faults = this.discovery
      .getControllers()
      .flatMap(({ metatype }) => (metatype ? this.#faultsOf(metatype as Controller) : []));
    if (faults.length > 0) throw new Error(`wrong guards on routes: ${faults.join('; ')}`);
  }

  #faultsOf(controller: Controller): string[] {
    return this.scanner.getAllMethodNames(controller.prototype).flatMap((name) => {
      const method = controller.prototype[name]!;
      if (!Reflect.hasMetadata(METHOD_METADATA, method)) return [];
      const isOfCallers = pathsOf(controller).some((path) =>
        pathsOf(method).some((rest) => CALLERS_PATH.test(`${path}/${rest}`.replaceAll(/\/+/g, '/'))),
      );
      const guards = [...guardsOf(controller), ...guardsOf(method)];
      const guarded = guards.includes(CallerGuard);
      const scoped = Reflect.hasMetadata(REQUIRES, method);
      const route = `${controller.name}.${name}`;
      if (guarded && !scoped) return [`${route} has no @Requires`];
      if (!guarded && (scoped || isOfCallers)) return [`${route} is not under the CallerGuard`];
      // The lowest `@UseGuards` of the class has the first guard.
      if (guarded && guards[0] !== CallerGuard)
        return [`${route} has a guard before the CallerGuard: put @UseGuards(CallerGuard) lowest`];
      return [];
    });
  }
}

type Controller = { name: string; prototype: Record<string, object> };

const pathsOf = (target: object) => [Reflect.getMetadata(PATH_METADATA, target) as string | string[]].flat();

const guardsOf = (target: object) => (Reflect.getMetadata(GUARDS_METADATA, target) ?? []) as unknown[];
