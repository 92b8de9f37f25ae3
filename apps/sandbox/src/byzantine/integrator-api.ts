import { randomUUID } from 'node:crypto';
import type { Mailbox } from '../control/mailbox.js';
import type { Outcome } from '../outcome.js';
import { Refusal } from '../refusal.js';
import type { SandboxClock } from '../sandbox-clock.js';
import { verifyAttestation } from '../webauthn/attestation.js';
import type { RelyingParty } from '../webauthn/attestation.js';
import { Authenticators } from '../webauthn/authenticators.js';
import type { NewAuthenticator } from '../webauthn/authenticators.js';
import type { CreateAuthenticatorsRequest, InitOtpRequest, OtpAuthRequest } from './byzantine.dto.js';
import { errorTexts } from './error-texts.js';
import type { IntegratorKey } from './integrator-keys.js';
import { OtpCodes } from './otp-codes.js';
import { OtpSessions } from './otp-sessions.js';
import type { OpenedSession } from './otp-sessions.js';
import { Subjects } from './subjects.js';

export interface IntegratorApiOptions {
  acceptAnySubject: boolean;
  codeLifeMs: number;
  sessionLifeMs: number;
  relyingParty: RelyingParty;
}

/** The OTP part of the Integrator API, after the checks of headers and body. */
export class IntegratorApi {
  readonly integratorId = randomUUID();
  readonly subjects: Subjects;
  readonly authenticators = new Authenticators({
    credentialRegistered: () => new Refusal(400, errorTexts.credentialRegistered),
    tooManyAuthenticators: () => new Refusal(400, errorTexts.tooManyAuthenticators),
  });
  readonly #codes: OtpCodes;
  readonly #sessions: OtpSessions;

  constructor(
    private readonly options: IntegratorApiOptions,
    private readonly clock: SandboxClock,
    private readonly mailbox: Mailbox,
  ) {
    this.subjects = new Subjects(options.acceptAnySubject);
    this.#codes = new OtpCodes(clock, options.codeLifeMs);
    this.#sessions = new OtpSessions(clock, options.sessionLifeMs);
  }

  /** Every call mails a new code. */
  initOtp({ accountId, userId }: InitOtpRequest): Outcome<{ otpId: string }> {
    const subject = this.subjects.load(accountId, userId);
    const { otpId, code } = this.#codes.issue(subject);
    this.mailbox.deliver({
      otpId,
      email: subject.email,
      code,
      at: new Date(this.clock.nowMs()).toISOString(),
    });
    return { answer: { otpId }, effect: { type: 'otp_sent', otpId } };
  }

  /** A correct code opens a session, and cannot be used again. */
  otpAuth({ accountId, userId, otpId, otpCode }: OtpAuthRequest): Outcome<OpenedSession> {
    const subject = this.subjects.load(accountId, userId);
    this.#codes.redeem(subject, otpId, otpCode);
    const opened = this.#sessions.open(subject);
    return { answer: opened, effect: { type: 'session_opened', otpId, expiresAt: opened.expiresAt } };
  }

  /** Stores all passkeys or none. The session stays open until it expires. */
  createAuthenticators(request: CreateAuthenticatorsRequest): Outcome<{ authenticatorIds: string[] }> {
    const subject = this.subjects.load(request.accountId, request.userId);
    this.#sessions.require(subject, request.sessionId);
    if (request.authenticators.length === 0) throw new Refusal(400, errorTexts.noAuthenticators);

    const additions = request.authenticators.map((authenticator) => this.#verify(authenticator));
    const stored = this.authenticators.register(subject, additions, this.clock.nowMs());
    const authenticatorIds = stored.map(({ authenticatorId }) => authenticatorId);
    const credentialIds = stored.map(({ credentialId }) => credentialId);
    return {
      answer: { authenticatorIds },
      effect: { type: 'authenticators_created', authenticatorIds, credentialIds },
    };
  }

  whoami({ accessScope, label }: IntegratorKey): object {
    const capabilities = { canWrite: accessScope === 'read_write' };
    return { integratorId: this.integratorId, accessScope, label, capabilities };
  }

  reset(): void {
    this.subjects.reset();
    this.authenticators.reset();
    this.#codes.reset();
    this.#sessions.reset();
  }

  #verify(authenticator: CreateAuthenticatorsRequest['authenticators'][number]): NewAuthenticator {
    const { authenticatorName, challenge, attestation } = authenticator;
    try {
      const credential = verifyAttestation({ challenge, ...attestation }, this.options.relyingParty);
      return { authenticatorName, transports: attestation.transports, credential };
    } catch (error) {
      throw new Refusal(400, errorTexts.invalidAttestation((error as Error).message));
    }
  }
}
