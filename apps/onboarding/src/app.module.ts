import { Module, type DynamicModule } from '@nestjs/common';
import { AuthenticatorsModule } from '#libs/authenticators';
import { CallersModule } from '#libs/callers';
import { OnboardingModule } from '#libs/onboarding';
import { OtpModule } from '#libs/otp';
import { PlatformModule, type Config } from '#libs/platform';
import { ApiKeysController } from './api-keys.controller.js';
import { EventStreamController } from './event-stream.controller.js';
import { EventStreams } from './event-streams.js';
import { OperationsController } from './operations.controller.js';
import { OnboardingController } from './onboarding.controller.js';

/** The REST API makes the first attempt of each call to the provider. The worker makes the retries. */
@Module({})
export class AppModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: AppModule,
      imports: [
        PlatformModule.forRoot(config, 'service'),
        CallersModule,
        OnboardingModule,
        OtpModule,
        AuthenticatorsModule,
      ],
      controllers: [OnboardingController, EventStreamController, OperationsController, ApiKeysController],
      providers: [EventStreams],
    };
  }
}
