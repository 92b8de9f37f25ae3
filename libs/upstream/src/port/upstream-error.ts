/** How a call upstream can fail. Every failure is exactly one of these (docs/explanation/retry-law.md). */
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

/** The reason of a provider's refusal, if the service understands the answer. */
export type RejectionReason =
  | 'subject_not_found'
  /** The contact belongs to several users, and the service cannot tell which one is meant. */
  | 'subject_ambiguous'
  /** No code can be sent to the contact. */
  | 'contact_invalid'
  /** The provider requires a captcha, or did not accept the captcha token. */
  | 'captcha_required'
  /** The code was correct and is used up, but upstream refused the login that followed. */
  | 'login_refused'
  | 'otp_invalid'
  | 'otp_expired'
  | 'otp_locked'
  | 'session_expired'
  | 'attestation_invalid'
  | 'credential_already_registered'
  | 'authenticator_limit'
  /** Another limit that the provider sets for its customer. Waiting does not help. */
  | 'resource_limit'
  /** A policy of the provider's customer asks for more votes. */
  | 'consensus_needed'
  /** A policy of the provider's customer asks for more factors. */
  | 'mfa_needed';

/** The facts about a call. They stay with an attempt of unknown outcome. */
export interface CallEvidence {
  /** Whether any byte of the request may have left. */
  bytesSent: boolean;
  headersSeen: boolean;
  status: number | null;
  durationMs: number | null;
}

/** The evidence of a call that has sent no byte. */
export const NOTHING_SENT: CallEvidence = {
  bytesSent: false,
  headersSeen: false,
  status: null,
  durationMs: 0,
};

export interface UpstreamErrorOptions {
  /**
   * For operators. It contains no secrets, and neither our body nor an answer's text, which may repeat our
   * body.
   */
  detail: string;
  evidence: CallEvidence;
  reason?: RejectionReason;
  /** The wait that `Retry-After` asks for, in milliseconds from now. */
  retryAfterMs?: number;
  /** With `misconfigured`: the answer does not say whether upstream refuses our key or only this subject. */
  mayBeOfSubject?: boolean;
  /** With `not_sent`: this process held the call back, so this says nothing about the provider. */
  heldBack?: boolean;
  cause?: unknown;
}

/** The failure of a call. */
export class UpstreamError extends Error {
  readonly evidence: CallEvidence;
  readonly reason: RejectionReason | undefined;
  readonly retryAfterMs: number | undefined;
  readonly mayBeOfSubject: boolean;
  readonly heldBack: boolean;

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
  }
}
