import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';
import {
  Steps,
  repeatsEffect,
  fromNow,
  sql,
  type Patch,
  type Row,
  type Step,
  type StepEnd,
  type SubjectRef,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';
import type { Call, UpstreamError, UpstreamProvider } from '#libs/upstream';
import { policyFailure } from './policy-failure.js';
import { OtpBudget, standing } from './otp-budget.js';

/** Step 1: has the provider mail a code. Repeating it is safe but for the mail: the newest code is the one that counts. */
@Injectable()
export class SendOtpStep implements Step, OnModuleInit {
  readonly name = 'init-otp';

  constructor(
    private readonly budget: OtpBudget,
    private readonly steps: Steps,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.steps.register(this);
  }

  /** The old code is void from here on, and with it all that it led to. */
  firstPatch(): Patch {
    return {
      otpHandle: null,
      otpTargetBundle: null,
      deviceSigning: null,
      otpExpiresAt: null,
      otpTriesLeft: 0,
      sessionExpiresAt: null,
      sessionEndsAt: null,
      otpResendAt: fromNow(this.config.OTP_RESEND_COOLDOWN_MS),
    };
  }

  /** Every call that may send a mail is charged. */
  claimClauses({ repeatsEffect: repeats = false }: { repeatsEffect?: boolean } = {}) {
    return repeats ? [] : [this.budget.chargeSend()];
  }

  explainRefusal(subject: SubjectRef, row?: Row): Promise<void> {
    return this.budget.explainSend(subject, { waitMs: 0, row });
  }

  /** Why a resend was refused: the budget that is used up has the word, or else the cooldown. */
  async explainResend(row: Row): Promise<void> {
    const waitMs = (row.otpResendAt?.getTime() ?? 0) - row.now.getTime();
    await this.budget.explainSend(row, { waitMs, row });
    if (waitMs <= 0) return;
    const windowS = Math.ceil(this.config.OTP_RESEND_COOLDOWN_MS / 1000);
    throw new ProblemError('otp_resend_too_soon', {
      detail: 'Another code can be sent a little later.',
      retryAfterS: Math.ceil(waitMs / 1000),
      rateLimit: { policy: 'otp-resend', quota: 1, windowS },
      extensions: standing(row),
    });
  }

  async call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd> {
    const sent = await provider.initOtp(call, row.subject, row.otpChoice);
    const lifeMs = Math.min(sent.lifeMs ?? Infinity, this.config.OTP_LIFE_MS);
    return {
      signal: 'otp_sent',
      patch: {
        otpHandle: sent.handle,
        otpTargetBundle: sent.targetBundle ?? null,
        otpSentAt: fromNow(0),
        // The user has a fresh mail: the wait for another begins with it, however late a retry has sent it.
        otpResendAt: this.budget.resendAt(fromNow(this.config.OTP_RESEND_COOLDOWN_MS)),
        otpExpiresAt: fromNow(lifeMs),
        otpTriesLeft: this.config.OTP_TRIES,
      },
    };
  }

  rejected(row: Row, error: UpstreamError): StepEnd {
    const unknownSubject = error.reason === 'subject_not_found';
    if (error.reason === 'consensus_needed' || error.reason === 'mfa_needed') {
      return { signal: 'step_failed', failure: policyFailure(error.reason) };
    }
    const told = {
      code: unknownSubject ? 'subject_not_found' : 'upstream_rejected',
      detail: unknownSubject
        ? 'The provider knows no such account or user.'
        : 'The provider refused to send a code.',
    } as const;
    // After a code had been sent once the subject is known: a refusal then is of this send only.
    if (row.otpSentAt) return { ...this.#gaveUp(false), result: told };
    return { signal: 'step_failed', failure: told };
  }

  gaveUp(row: Row, { refunded }: { refunded: boolean }): StepEnd {
    return {
      ...this.#gaveUp(refunded && !repeatsEffect(row, this.name)),
      result: { code: 'upstream_unavailable', detail: 'The provider could not be brought to send a code.' },
    };
  }

  #gaveUp(refunded: boolean): Pick<StepEnd, 'signal' | 'patch'> {
    // Since the claim it holds the cooldown's end, and nothing of the budgets.
    const otpResendAt = this.budget.resendAt(sql('o.otp_resend_at'), { sends: refunded ? -1 : 0 });
    return { signal: 'send_gave_up', patch: { reason: 'send_failed', otpResendAt } };
  }

  withoutEffect(row: Row) {
    return { clauses: repeatsEffect(row, this.name) ? [] : [this.budget.refundSend] };
  }

  counted(row: Row): Patch {
    return repeatsEffect(row, this.name) ? {} : { otpSends: row.otpSends + 1 };
  }
}
