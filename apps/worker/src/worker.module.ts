import { Module, type DynamicModule } from '@nestjs/common';
import { AuthenticatorsModule } from '#libs/authenticators';
import { Audit } from '#libs/callers';
import { DatabaseModule } from '#libs/database';
import { OnboardingModule } from '#libs/onboarding';
import { OtpModule } from '#libs/otp';
import { PlatformModule, type Config } from '#libs/platform';
import { AuditRetention } from './audit-retention.js';

/** The worker's jobs run the same steps as the service. */
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
      // The worker serves no callers, so it does not import the whole module for callers.
      providers: [Audit, AuditRetention],
    };
  }
}
