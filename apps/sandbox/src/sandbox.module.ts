import { Module } from '@nestjs/common';
import type { DynamicModule } from '@nestjs/common';
import { ByzantineController } from './byzantine/byzantine.controller.js';
import { IntegratorApi } from './byzantine/integrator-api.js';
import { ControlController } from './control/control.controller.js';
import { SandboxControl } from './control/sandbox-control.js';
import { PageController } from './page/page.controller.js';
import { AuthProxyController } from './turnkey/auth-proxy.controller.js';
import { PublicApiController } from './turnkey/public-api.controller.js';
import { Turnkey } from './turnkey/turnkey.js';

@Module({})
export class SandboxModule {
  static over(byzantine: IntegratorApi, turnkey: Turnkey, control: SandboxControl): DynamicModule {
    return {
      module: SandboxModule,
      controllers: [
        ByzantineController,
        PublicApiController,
        AuthProxyController,
        ControlController,
        PageController,
      ],
      providers: [
        { provide: IntegratorApi, useValue: byzantine },
        { provide: Turnkey, useValue: turnkey },
        { provide: SandboxControl, useValue: control },
      ],
    };
  }
}
