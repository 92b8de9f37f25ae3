import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Executors, throwUnlessLedOn } from '#libs/onboarding';
import { OtpService } from './otp.service.js';

/** Resends codes for the operations of operators. */
@Injectable()
export class ResendExecutor implements OnModuleInit {
  constructor(
    private readonly executors: Executors,
    private readonly otp: OtpService,
  ) {}

  onModuleInit(): void {
    this.executors.register('resend', async (id, reason, terms) => {
      const row = await this.otp.resendAsOperator(id, reason, terms);
      throwUnlessLedOn(row, 'init-otp');
      return row;
    });
  }
}
