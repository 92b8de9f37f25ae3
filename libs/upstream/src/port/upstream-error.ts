import { Secret } from '#libs/kernel';

/** How a call to a provider can fail (docs/explanation/retry-law.md). */
export const FAILURE_CLASSES = [
  'not_sent',
  'throttled',
  'unavailable',
  'no_answer',
  'rejected',
  'rejected_unclear',
  'misconfigured',
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** Why the provider refused the call, if its answer says so. */
export type RejectionReason =
  | 'subject_not_found'
  /** The contact belongs to several users. */
  | 'subject_ambiguous'
  /** No code can be sent to the contact. */
  | 'contact_invalid'
  /** The provider requires a captcha, or did not accept the captcha token. */
  | 'captcha_required'
  /** The code was correct and is used up, but the provider refused the login that followed. */
  | 'login_refused'
  | 'otp_invalid'
  | 'otp_expired'
  | 'otp_locked'
  | 'session_expired'
  | 'attestation_invalid'
  | 'credential_already_registered'
  | 'authenticator_limit'
  /** A limit of the provider's customer, other than the number of passkeys. Waiting does not help. */
  | 'resource_limit'
  | 'consensus_needed'
  /** A policy of the provider's customer requires more factors. */
  | 'mfa_needed';

/** Stored with an unresolved attempt. */
export interface CallEvidence {
  /** Whether any byte of the request may have been sent. */
  bytesSent: boolean;
  headersSeen: boolean;
  status: number | null;
  durationMs: number | null;
}

export const NOTHING_SENT: CallEvidence = {
  bytesSent: false,
  headersSeen: false,
  status: null,
  durationMs: 0,
};

export interface UpstreamErrorOptions {
  /**
   * For operators. Must not quote a request or an answer, because an answer may repeat the request's secrets.
   */
  detail: string;
  evidence: CallEvidence;
  reason?: RejectionReason;
  retryAfterMs?: number;
  /** With `misconfigured`: the answer does not say whether the provider refuses our key or this subject. */
  mayBeOfSubject?: boolean;
  /** With `not_sent`: this process did not make the call, so the error says nothing about the provider. */
  heldBack?: boolean;
  cause?: unknown;
}

/** The text may repeat what the service sent. */
export interface UnknownText {
  status: number;
  text: Secret;
}

export class UpstreamError extends Error {
  readonly evidence: CallEvidence;
  readonly reason: RejectionReason | undefined;
  readonly retryAfterMs: number | undefined;
  readonly mayBeOfSubject: boolean;
  readonly heldBack: boolean;
  unknownText: UnknownText | null = null;

  constructor(
    readonly failure: FailureClass,
    options: UpstreamErrorOptions,
  ) {
    super(options.detail, { cause: options.cause });
    this.name = 'UpstreamError';
    this.evidence = options.evidence;
    this.reason = options.reason;
    this.retryAfterMs = options.retryAfterMs;
    this.mayBeOfSubject = options.mayBeOfSubject ?? false;
    this.heldBack = options.heldBack ?? false;
    // The cause is an error about the same answer.
    if (options.cause instanceof UpstreamError) this.unknownText = options.cause.unknownText;
  }

  /** Keeps an unknown text for operators (`refusal-text.ts`). */
  saying(status: number, text: string): this {
    if (status >= 400 && status <= 499 && text.trim() !== '') {
      this.unknownText = { status, text: new Secret(text) };
    }
    return this;
  }
}
