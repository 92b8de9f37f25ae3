import { Module, type DynamicModule } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { Audit } from '#libs/callers';
import { DatabaseModule } from '#libs/database';
import { JobsModule } from '#libs/jobs';
import { OperationsModule, ViewsModule } from '#libs/onboarding';
import { OperatorsModule } from '#libs/operators';
import { PlatformModule, type ConsoleConfig } from '#libs/platform';
import { LoginController } from './login/login.controller.js';
import { SessionsController } from './login/sessions.controller.js';
import { FunnelController } from './funnel/funnel.controller.js';
import { NowController } from './now/now.controller.js';
import { OnboardingsController } from './onboardings/onboardings.controller.js';
import { AuditController } from './audit/audit.controller.js';
import { OperationsController } from './operations/operations.controller.js';
import { RefusalsController } from './refusals/refusals.controller.js';
import { AssetsController } from './web/assets.js';
import { FormTokens } from './web/form-token.js';
import { PageWriter } from './web/page-writer.js';
import { Refusals } from './web/refusals.js';

/** The console calls no provider: the worker carries out the operators' actions. */
@Module({})
export class ConsoleModule {
  static forRoot(config: ConsoleConfig): DynamicModule {
    return {
      module: ConsoleModule,
      imports: [
        PlatformModule.forRoot(config, 'console'),
        DatabaseModule,
        JobsModule,
        OperationsModule,
        OperatorsModule,
        ViewsModule,
      ],
      controllers: [
        AssetsController,
        AuditController,
        FunnelController,
        LoginController,
        NowController,
        OnboardingsController,
        OperationsController,
        RefusalsController,
        SessionsController,
      ],
      providers: [
        Audit,
        FormTokens,
        PageWriter,
        Refusals,
        { provide: APP_INTERCEPTOR, useExisting: PageWriter },
      ],
    };
  }
}
