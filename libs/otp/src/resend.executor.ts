import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Executors, throwIfFailed } from '#libs/onboarding';
import { OtpService } from './otp.service.js';

@Injectable()
export class ResendExecutor implements OnModuleInit {
  constructor(
    private readonly executors: Executors,
    private readonly otp: OtpService,
  ) {}

  onModuleInit(): void {
    this.executors.register('resend', async (id, reason, terms) => {
      const row = await this.otp.resendAsOperator(id, reason, terms);
      throwIfFailed(row, 'init-otp');
      return row;
    });
  }
}
