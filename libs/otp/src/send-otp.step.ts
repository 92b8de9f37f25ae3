import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';
import {
  SqlValue,
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
import type { Call, RejectionReason, UpstreamError, UpstreamProvider } from '#libs/upstream';
import { contactInvalid } from './contact-invalid.js';
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

  /** Makes the earlier code's session void, and the earlier code itself, unless {@link keptCode} keeps it. */
  firstPatch(): Patch {
    return {
      ...NO_CODE,
      deviceSigning: null,
      sessionExpiresAt: null,
      sessionEndsAt: null,
      otpResendAt: fromNow(this.config.OTP_RESEND_COOLDOWN_MS),
    };
  }

  /** Keeps a code that is still good: it is void only once another one may have been sent. */
  keptCode(): Patch {
    const kept = (column: string, otherwise: string) =>
      sql(`CASE WHEN o.state = 'otp_sent' THEN o.${column} ELSE ${otherwise} END`);
    return {
      otpHandle: kept('otp_handle', 'NULL'),
      otpTargetBundle: kept('otp_target_bundle', 'NULL'),
      otpExpiresAt: kept('otp_expires_at', 'NULL'),
      otpTriesLeft: kept('otp_tries_left', '0'),
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
    // The answer to a repeat of the same bytes is about the first try, so nothing was sent.
    const isSettled = repeatsEffect(row, this.name) || !mayHaveSent(row);
    const codeLives = isSettled && hasLiveCode(row);
    const { reason } = error;
    if (reason === 'captcha_required') return this.#captchaRequired(row, codeLives);
    const isPolicy = reason === 'consensus_needed' || reason === 'mfa_needed';
    const told = isPolicy ? policyFailure(reason) : refusal(row, reason);
    // After a code had been sent once the subject is known: a refusal then is of this send only.
    if (codeLives || (row.otpSentAt && !isPolicy)) return { ...this.#gaveUp(codeLives), result: told };
    return { signal: 'step_failed', failure: told };
  }

  /** A code that is still good helps the user more than a wait for an operator. */
  misconfigured(row: Row): StepEnd | null {
    if (mayHaveSent(row) || !hasLiveCode(row)) return null;
    const detail =
      'An operator must mend the integration before another code can be sent. The code before is still good.';
    return { ...this.#gaveUp(true), result: { code: 'upstream_misconfigured', detail } };
  }

  gaveUp(row: Row, { refunded, unanswered }: { refunded: boolean; unanswered: boolean }): StepEnd {
    const codeLives = !unanswered && !mayHaveSent(row) && hasLiveCode(row);
    const sends = refunded && !repeatsEffect(row, this.name) ? -1 : 0;
    return {
      ...this.#gaveUp(codeLives, { sends }),
      result: { code: 'upstream_unavailable', detail: 'The provider could not be brought to send a code.' },
    };
  }

  /** No mail went out. The caller may resend at once, unless an earlier try may have sent a mail. */
  #captchaRequired(row: Row, codeLives: boolean): StepEnd {
    const noSooner = mayHaveSent(row) ? sql('o.otp_resend_at') : fromNow(0);
    const sends = repeatsEffect(row, this.name) ? 0 : -1;
    const detail = 'Solve a captcha, and resend with its token as otp.captchaToken. A token is good once.';
    return {
      ...this.#gaveUp(codeLives, { noSooner, sends }),
      result: { code: 'captcha_required', detail },
    };
  }

  /** @param sends what the statement gives back to the budget, negative. */
  #gaveUp(
    codeLives: boolean,
    { noSooner = sql('o.otp_resend_at'), sends = 0 }: { noSooner?: SqlValue; sends?: number } = {},
  ): Pick<StepEnd, 'signal' | 'codeLives' | 'patch'> {
    // The claim has set otpResendAt to the end of the cooldown, without the budgets.
    const otpResendAt = this.budget.resendAt(noSooner, { sends });
    const patch: Patch = codeLives ? { otpResendAt } : { ...NO_CODE, reason: 'send_failed', otpResendAt };
    return { signal: 'send_gave_up', codeLives, patch };
  }

  withoutEffect(row: Row) {
    return { clauses: repeatsEffect(row, this.name) ? [] : [this.budget.refundSend] };
  }

  counted(row: Row): Patch {
    return repeatsEffect(row, this.name) ? {} : { otpSends: row.otpSends + 1 };
  }
}

const NO_CODE = { otpHandle: null, otpTargetBundle: null, otpExpiresAt: null, otpTriesLeft: 0 } as const;

/** Whether an earlier try of this submission may have sent a code, which makes the code before it void. */
const mayHaveSent = ({ unavailableCount, noAnswerCount }: Row) => unavailableCount + noAnswerCount > 0;

/** Whether the code from before the resend is still good. */
const hasLiveCode = ({ otpHandle, otpExpiresAt, otpTriesLeft, now }: Row) =>
  otpHandle !== null && otpTriesLeft > 0 && otpExpiresAt !== null && otpExpiresAt > now;

function refusal(row: Row, reason: RejectionReason | undefined): NonNullable<StepEnd['result']> {
  switch (reason) {
    case 'contact_invalid':
      return contactInvalid(row);
    case 'subject_not_found':
      return { code: 'subject_not_found', detail: 'The provider knows no such account or user.' };
    case 'resource_limit':
      return { code: 'upstream_rejected', detail: 'A limit at the provider keeps the code from being sent.' };
    default:
      return { code: 'upstream_rejected', detail: 'The provider refused to send a code.' };
  }
}
