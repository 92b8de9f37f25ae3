import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Secret } from '#libs/kernel';
import {
  DataKeys,
  Steps,
  SqlValue,
  repeatsEffect,
  sealGrant,
  sql,
  type Patch,
  type Row,
  type Step,
  type StepEnd,
  type SubjectRef,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';
import type { Call, Grant, OtpProof, UpstreamError, UpstreamProvider } from '#libs/upstream';
import { contactInvalid } from './contact-invalid.js';
import { policyFailure } from './policy-failure.js';
import { OtpBudget } from './otp-budget.js';

/** Step 2: exchanges the code for a session. A lost answer may have spent the code, or one of its tries. */
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

  /** The charge of the claim counts from here on; an end that gives it back says so. */
  firstPatch(): Patch {
    return { otpResendAt: this.#resendAt(1) };
  }

  /** A submission is charged once, however often it is tried. */
  claimClauses({ first }: { first: boolean }) {
    return first ? [this.budget.chargeTry()] : [];
  }

  explainRefusal(subject: SubjectRef, row?: Row): Promise<void> {
    return this.budget.explainTry(subject, row);
  }

  async call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd> {
    const sealer = this.dataKeys.of(row);
    const sealed = sealer.open({ onboardingId: row.id, field: 'otp_code' }, row.sealedOtpCode!);
    const sent = {
      handle: row.otpHandle!,
      ...(row.otpTargetBundle !== null && { targetBundle: row.otpTargetBundle }),
    };
    // By what was given, and not by the custody of now: JSON is what a device has encrypted, a code never is.
    const proof: OtpProof = sealed.startsWith('{')
      ? { type: 'encrypted-code', encryptedOtpBundle: sealed }
      : { type: 'code', code: new Secret(sealed) };
    const grant = await provider.verifyOtp(call, row.subject, sent, proof);
    return {
      signal: 'otp_verified',
      patch: {
        sealedGrant: sealGrant(sealer, row.id, grant),
        deviceSigning: grant.type === 'device-key' ? signingOf(grant) : null,
        sessionExpiresAt: grant.expiresAt,
        sessionEndsAt: new Date(grant.expiresAt.getTime() - this.config.SESSION_MARGIN_MS),
        otpResendAt: this.#resendAt(-1),
      },
      clauses: [this.budget.refundTry],
      data: { sessionExpiresAt: grant.expiresAt.toISOString() },
    };
  }

  rejected(row: Row, error: UpstreamError): StepEnd {
    switch (error.reason) {
      case 'otp_expired':
        return this.#refunded(this.#expired('The provider says that the code has expired.'));
      case 'subject_not_found': {
        const failure = {
          code: 'subject_not_found',
          detail: 'The provider knows no such account or user.',
        } as const;
        return this.#refunded({ signal: 'step_failed', failure });
      }
      case 'subject_ambiguous': {
        const detail = 'The contact belongs to several sub-organizations: name one in the subject.';
        return this.#refunded({ signal: 'step_failed', failure: { code: 'subject_not_found', detail } });
      }
      case 'contact_invalid':
        return this.#refunded({ signal: 'step_failed', failure: contactInvalid(row) });
      case 'resource_limit':
      case 'login_refused': {
        const detail =
          error.reason === 'login_refused'
            ? 'The code was right and is spent, and the provider refused to open the session.'
            : 'The code was right and is spent; a limit at the provider keeps the session from being opened.';
        const result = { code: 'upstream_rejected', detail } as const;
        return this.#refunded({ ...this.#expired(detail), result });
      }
      case 'consensus_needed':
      case 'mfa_needed':
        return this.#refunded({ signal: 'step_failed', failure: policyFailure(error.reason) });
      case 'otp_locked':
        return {
          signal: 'otp_rejected',
          patch: { otpTriesLeft: 0 },
          result: { code: 'otp_locked', detail: 'The provider has locked this code. Ask for a new one.' },
        };
      case 'otp_invalid':
        return this.#wrong(row);
      default:
        return {
          signal: 'otp_rejected',
          patch: this.#triesLeft(row),
          result: { code: 'upstream_rejected', detail: 'The provider refused the code and did not say why.' },
        };
    }
  }

  /** The charge stays, here as where the code expires without a worker: nobody can tell the two ends apart. */
  gaveUp(): StepEnd {
    return this.#expired('The code would have expired before the provider could be asked again.');
  }

  /** Upstream may have counted it, whatever its answer says. */
  counted(row: Row): { otpTriesLeft: number } {
    const counts = repeatsEffect(row, this.name) ? 0 : 1;
    return { otpTriesLeft: Math.max(0, row.otpTriesLeft - counts) };
  }

  #wrong(row: Row): StepEnd {
    const otpWrong = row.otpWrong + 1;
    if (otpWrong >= this.config.OTP_WRONG_PER_ONBOARDING) {
      const failure = { code: 'otp_locked', detail: 'Too many wrong codes for this onboarding.' } as const;
      return { signal: 'step_failed', patch: { otpWrong }, failure };
    }
    return {
      signal: 'otp_rejected',
      patch: { ...this.#triesLeft(row), otpWrong },
      result: { code: 'otp_invalid', detail: 'The code is wrong.' },
    };
  }

  /** The day's last wrong code leaves no try of this one, whatever it has left. */
  #triesLeft(row: Row): Patch {
    return { otpTriesLeft: this.budget.triesLeft(this.counted(row).otpTriesLeft) };
  }

  /** @param tries what the statement does to the subject's day: 1 is charged, -1 given back. */
  #resendAt(tries: 1 | -1): SqlValue {
    const cooldownEnd = sql(`o.otp_sent_at + interval '${this.config.OTP_RESEND_COOLDOWN_MS} milliseconds'`);
    return this.budget.resendAt(cooldownEnd, { tries });
  }

  /** It was certainly no wrong code. */
  #refunded(end: StepEnd): StepEnd {
    const patch = { ...end.patch, otpResendAt: this.#resendAt(-1) };
    return { ...end, patch, clauses: [this.budget.refundTry] };
  }

  #expired(detail: string): StepEnd {
    return {
      signal: 'otp_expired',
      patch: { reason: 'otp_expired' },
      result: { code: 'otp_expired', detail },
    };
  }
}

/** What the user's device is told: all of the grant but its token. */
function signingOf({ organizationId, userId, publicKey, loginMessage }: Grant & { type: 'device-key' }) {
  return { organizationId, userId, publicKey, loginMessage };
}
