/** How a call upstream can end other than well. Every end is exactly one of these (docs/retry-law.md). */
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

/** Why upstream said no, where its answer is understood. */
export type RejectionReason =
  | 'subject_not_found'
  /** The contact belongs to several users, and nobody here can tell which is meant. */
  | 'subject_ambiguous'
  /** No code can be sent to the contact. */
  | 'contact_invalid'
  /** The provider wants a captcha solved, or refused the one that was. */
  | 'captcha_required'
  /** The code was right and is spent; what should have followed was refused. */
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
  /** A policy of the provider's customer asks for more people's votes. */
  | 'consensus_needed'
  /** A policy of the provider's customer asks for more factors. */
  | 'mfa_needed';

/** What is known of a call for certain: kept with an outcome that stays unknown. */
export interface CallEvidence {
  /** Whether any byte of the request may have left. */
  bytesSent: boolean;
  headersSeen: boolean;
  status: number | null;
  durationMs: number | null;
}

/** Of a call of which no byte has left. */
export const NOTHING_SENT: CallEvidence = {
  bytesSent: false,
  headersSeen: false,
  status: null,
  durationMs: 0,
};

export interface UpstreamErrorOptions {
  /** Prose for operators. Free of secrets: no body of ours, no answer's text that could echo one. */
  detail: string;
  evidence: CallEvidence;
  reason?: RejectionReason;
  /** What `Retry-After` said, in milliseconds from now. */
  retryAfterMs?: number;
  /** With `misconfigured`: the answer does not say whether it refuses our key or this one subject. */
  mayBeOfSubject?: boolean;
  /** With `not_sent`: this process sent nothing on purpose, which says nothing of the provider. */
  heldBack?: boolean;
  cause?: unknown;
}

/** The end of a call that did not succeed. */
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
