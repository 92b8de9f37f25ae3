import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ByzantineController } from './byzantine/byzantine.controller.js';
import { IntegratorApi } from './byzantine/integrator-api.js';
import { ControlController } from './control/control.controller.js';
import { SandboxControl } from './control/sandbox-control.js';

/** The two faces of the sandbox, over parts that {@link startSandbox} put together. */
@Module({})
export class SandboxModule {
  static over(byzantine: IntegratorApi, control: SandboxControl): DynamicModule {
    return {
      module: SandboxModule,
      controllers: [ByzantineController, ControlController],
      providers: [
        { provide: IntegratorApi, useValue: byzantine },
        { provide: SandboxControl, useValue: control },
      ],
    };
  }
}
