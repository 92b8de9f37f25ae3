import { Module, type DynamicModule } from '@nestjs/common';
import { AuthenticatorsModule } from '#libs/authenticators';
import { OnboardingModule } from '#libs/onboarding';
import { OtpModule } from '#libs/otp';
import { PlatformModule, type Config } from '#libs/platform';
import { OnboardingController } from './onboarding.controller.js';

/** The internal REST API. It makes first attempts; it runs no job. */
@Module({})
export class AppModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [PlatformModule.forRoot(config), OnboardingModule, OtpModule, AuthenticatorsModule],
      controllers: [OnboardingController],
    };
  }
}
