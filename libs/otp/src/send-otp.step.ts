import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';
import {
  Steps,
  repeatsEffect,
  stateAndNextAction,
  type Row,
  type Step,
  type StepEnd,
  type SubjectRef,
  type Explanation,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';
import type { Call, RejectionReason, UpstreamError, UpstreamProvider } from '#libs/upstream';
import { contactInvalid } from './contact-invalid.js';
import { OtpBudget } from './otp-budget.js';
import { policyFailure } from './policy-failure.js';

/**
 * Step 1: lets the provider send a code. A repeat costs only another mail, because only the newest code is
 * valid.
 */
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

  mustHaveRoom(subject: SubjectRef, row?: Row): Promise<void> {
    return this.budget.mustHaveSend(subject, { waitMs: 0, row });
  }

  async mustBeDue(row: Row): Promise<void> {
    const waitMs = (row.otpResendAt?.getTime() ?? 0) - row.now.getTime();
    await this.budget.mustHaveSend(row, { waitMs, row });
    if (waitMs <= 0) return;
    const windowS = Math.ceil(this.config.OTP_RESEND_COOLDOWN_MS / 1000);
    throw new ProblemError('otp_resend_too_soon', {
      detail: 'It is too early to send another code. Wait as long as Retry-After says.',
      retryAfterS: Math.ceil(waitMs / 1000),
      rateLimit: { policy: 'otp-resend', quota: 1, windowS },
      extensions: stateAndNextAction(row),
    });
  }

  async call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd> {
    const {
      handle,
      targetBundle = null,
      lifeMs = null,
    } = await provider.initOtp(call, row.subject, row.otpChoice);
    return { signal: 'otp_sent', facts: { handle, targetBundle, lifeMs } };
  }

  rejected(row: Row, error: UpstreamError): StepEnd {
    // If the provider repeats its first answer, this refusal shows that no code was sent.
    const isSettled = repeatsEffect(row, this.name) || !mayHaveSent(row);
    const codeLives = isSettled && hasLiveCode(row);
    const { reason } = error;
    if (reason === 'captcha_required') return captchaRequired(row, codeLives);
    const isPolicy = reason === 'consensus_needed' || reason === 'mfa_needed';
    const explanation = isPolicy ? policyFailure(reason) : refusal(row, reason);
    // If the provider has sent a code before, it knows the subject, and refuses only this send.
    if (codeLives || (row.otpSentAt && !isPolicy)) return gaveUp(codeLives, explanation);
    return { signal: 'step_failed', facts: { failure: explanation } };
  }

  /** If an earlier code is valid, the step is not parked: the user can continue with this code. */
  misconfigured(row: Row): StepEnd | null {
    if (mayHaveSent(row) || !hasLiveCode(row)) return null;
    const detail =
      'An operator must fix the integration before another code can be sent. The old code is still valid.';
    return gaveUp(true, { code: 'upstream_misconfigured', detail });
  }

  gaveUp(row: Row, { unanswered }: { unanswered: boolean }): StepEnd {
    const codeLives = !unanswered && !mayHaveSent(row) && hasLiveCode(row);
    const detail = 'The provider did not confirm that it sent a code.';
    return gaveUp(codeLives, { code: 'upstream_unavailable', detail });
  }
}

const gaveUp = (codeLives: boolean, result: Explanation): StepEnd => ({
  signal: 'send_gave_up',
  facts: { codeLives, result },
});

/** The caller may resend immediately, unless an earlier try may have sent a mail. */
function captchaRequired(row: Row, codeLives: boolean): StepEnd {
  const detail =
    'Let the user solve a captcha, and resend with its token as otp.captchaToken. A token works only once.';
  const maySendAtOnce = !mayHaveSent(row);
  return {
    signal: 'send_gave_up',
    facts: { codeLives, result: { code: 'captcha_required', detail }, maySendAtOnce },
  };
}

const mayHaveSent = ({ unavailableCount, noAnswerCount }: Row) => unavailableCount + noAnswerCount > 0;

const hasLiveCode = ({ otpHandle, otpExpiresAt, otpTriesLeft, now }: Row) =>
  otpHandle !== null && otpTriesLeft > 0 && otpExpiresAt !== null && otpExpiresAt > now;

function refusal(row: Row, reason: RejectionReason | undefined): Explanation {
  switch (reason) {
    case 'contact_invalid':
      return contactInvalid(row);
    case 'subject_not_found':
      return { code: 'subject_not_found', detail: 'The provider knows no such account or user.' };
    case 'resource_limit':
      return {
        code: 'upstream_rejected',
        detail: 'The code was not sent, because of a limit at the provider.',
      };
    default:
      return { code: 'upstream_rejected', detail: 'The provider refused to send a code.' };
  }
}
