import { Module, type DynamicModule } from '@nestjs/common';
import { AuthenticatorsModule } from '#libs/authenticators';
import { OnboardingModule } from '#libs/onboarding';
import { OtpModule } from '#libs/otp';
import { PlatformModule, type Config } from '#libs/platform';

/** The same steps as the service has, run by jobs. */
@Module({})
export class WorkerModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: WorkerModule,
      imports: [PlatformModule.forRoot(config), OnboardingModule, OtpModule, AuthenticatorsModule],
    };
  }
}
