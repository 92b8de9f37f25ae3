import { Module } from '@nestjs/common';
import { OnboardingModule } from '#libs/onboarding';
import { OtpBudget } from './otp-budget.js';
import { OtpService } from './otp.service.js';
import { ResendExecutor } from './resend.executor.js';
import { SendOtpStep } from './send-otp.step.js';
import { VerifyOtpStep } from './verify-otp.step.js';

@Module({
  imports: [OnboardingModule],
  providers: [OtpBudget, OtpService, ResendExecutor, SendOtpStep, VerifyOtpStep],
  exports: [OtpService],
})
export class OtpModule {}
