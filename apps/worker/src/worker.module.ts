import { Module, type DynamicModule } from '@nestjs/common';
import { AuthenticatorsModule } from '#libs/authenticators';
import { Audit } from '#libs/callers';
import { DatabaseModule } from '#libs/database';
import { OnboardingModule } from '#libs/onboarding';
import { OtpModule } from '#libs/otp';
import { PlatformModule, type Config } from '#libs/platform';
import { AuditRetention } from './audit-retention.js';

/** Runs as jobs the same steps that the service runs. */
@Module({})
export class WorkerModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: WorkerModule,
      imports: [
        PlatformModule.forRoot(config, 'worker'),
        DatabaseModule,
        OnboardingModule,
        OtpModule,
        AuthenticatorsModule,
      ],
      // Without the rest of the callers' module, because the worker has no callers.
      providers: [Audit, AuditRetention],
    };
  }
}
