import { Module, type DynamicModule } from '@nestjs/common';
import { AuthenticatorsModule } from '#libs/authenticators';
import { Audit } from '#libs/callers';
import { DatabaseModule } from '#libs/database';
import { OnboardingModule } from '#libs/onboarding';
import { OtpModule } from '#libs/otp';
import { PlatformModule, type Config } from '#libs/platform';
import { AuditRetention } from './audit-retention.js';

/** The same steps as the service has, run by jobs. */
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
      // Not the whole module of the callers: none comes here.
      providers: [Audit, AuditRetention],
    };
  }
}
