import { Module } from '@nestjs/common';
import { OnboardingModule } from '#libs/onboarding';
import { AuthenticatorsService } from './authenticators.service.js';
import { Challenges } from './challenges.js';
import { CreateAuthenticatorsStep } from './create-authenticators.step.js';
import { Credentials } from './credentials.js';

@Module({
  imports: [OnboardingModule],
  providers: [AuthenticatorsService, Challenges, CreateAuthenticatorsStep, Credentials],
  exports: [AuthenticatorsService],
})
export class AuthenticatorsModule {}
