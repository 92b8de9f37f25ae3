import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ProblemError, Secret } from '#libs/kernel';
import {
  DataKeys,
  Steps,
  sealGrant,
  stateAndNextAction,
  type Row,
  type Step,
  type StepEnd,
  type SubjectRef,
  type Explanation,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';
import type { Call, Grant, OtpProof, UpstreamError, UpstreamProvider } from '#libs/upstream';
import { contactInvalid } from './contact-invalid.js';
import { OtpBudget } from './otp-budget.js';
import { policyFailure } from './policy-failure.js';

/**
 * Step 2: exchanges the code for a session. If the answer is lost, the provider may have used up the code.
 */
@Injectable()
export class VerifyOtpStep implements Step, OnModuleInit {
  readonly name = 'verify-otp';

  constructor(
    private readonly budget: OtpBudget,
    private readonly steps: Steps,
    private readonly dataKeys: DataKeys,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.steps.register(this);
  }

  /** The day's limit comes first, because a new code does not help if it is used up. */
  async mustHaveRoom(subject: SubjectRef, row?: Row): Promise<void> {
    await this.budget.mustHaveTry(subject, row);
    if (!row || row.otpTriesLeft > 0) return;
    const { state, nextAction } = stateAndNextAction(row);
    throw new ProblemError('otp_locked', {
      detail: 'No tries are left for this code. Ask for a new code.',
      limit: 'otp_tries',
      extensions: { state, attemptsLeft: 0, nextAction },
    });
  }

  async call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd> {
    const sealer = this.dataKeys.sealerOf(row);
    const opened = sealer.open({ onboardingId: row.id, field: 'otp_code' }, row.sealedOtpCode!);
    const sent = {
      handle: row.otpHandle!,
      ...(row.otpTargetBundle !== null && { targetBundle: row.otpTargetBundle }),
    };
    // Only an encrypted code is JSON. The configuration does not tell the form: the custody may have changed.
    const proof: OtpProof = opened.startsWith('{')
      ? { type: 'encrypted-code', encryptedOtpBundle: opened }
      : { type: 'code', code: new Secret(opened) };
    const grant = await provider.verifyOtp(call, row.subject, sent, proof);
    return {
      signal: 'otp_verified',
      facts: {
        sealedGrant: sealGrant(sealer, row.id, grant),
        deviceSigning: grant.type === 'device-key' ? signingOf(grant) : null,
        sessionExpiresAt: grant.expiresAt,
      },
    };
  }

  rejected(row: Row, error: UpstreamError): StepEnd {
    switch (error.reason) {
      case 'otp_expired':
        return needsNewCode({ code: 'otp_expired', detail: 'The provider says that the code has expired.' });
      case 'subject_not_found':
        return failed({ code: 'subject_not_found', detail: 'The provider knows no such account or user.' });
      case 'subject_ambiguous': {
        const detail = 'The contact belongs to several sub-organizations. Name one of them in the subject.';
        return failed({ code: 'subject_not_found', detail });
      }
      case 'contact_invalid':
        return failed(contactInvalid(row));
      case 'resource_limit':
      case 'login_refused': {
        const detail =
          error.reason === 'login_refused'
            ? 'The code was right and is used up, but the provider refused to open a session.'
            : 'The code was right and is used up, but a limit at the provider prevents a new session.';
        return needsNewCode({ code: 'upstream_rejected', detail });
      }
      case 'consensus_needed':
      case 'mfa_needed':
        return failed(policyFailure(error.reason));
      case 'otp_locked': {
        const detail = 'The provider has locked this code. Ask for a new code.';
        return { signal: 'otp_rejected', facts: { result: { code: 'otp_locked', detail }, isLocked: true } };
      }
      case 'otp_invalid':
        return this.#wrong(row);
      default: {
        const detail = 'The provider refused the code and did not say why.';
        return { signal: 'otp_rejected', facts: { result: { code: 'upstream_rejected', detail } } };
      }
    }
  }

  /** The try stays counted, as it does if a code expires between two attempts. */
  gaveUp(): StepEnd {
    const detail = 'The code would have expired before the provider could be asked again.';
    return { signal: 'otp_expired', facts: { result: { code: 'otp_expired', detail } } };
  }

  #wrong(row: Row): StepEnd {
    if (row.otpWrong + 1 >= this.config.OTP_WRONG_PER_ONBOARDING) {
      const failure: Explanation = {
        code: 'otp_locked',
        detail: 'Too many wrong codes for this onboarding.',
      };
      return { signal: 'step_failed', facts: { failure, isWrong: true } };
    }
    const result: Explanation = { code: 'otp_invalid', detail: 'The code is wrong.' };
    return { signal: 'otp_rejected', facts: { result, isWrong: true } };
  }
}

/** Ends a code that cannot be used any more although it was not wrong, and refunds the try. */
const needsNewCode = (result: Explanation): StepEnd => ({
  signal: 'otp_expired',
  facts: { result, refund: true },
});
const failed = (failure: Explanation): StepEnd => ({
  signal: 'step_failed',
  facts: { failure, refund: true },
});

/** All of the grant except the token, for the user's device. */
function signingOf({ organizationId, userId, publicKey, loginMessage }: Grant & { type: 'device-key' }) {
  return { organizationId, userId, publicKey, loginMessage };
}
