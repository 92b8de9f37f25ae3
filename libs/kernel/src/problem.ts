/**
 * Every error code that callers can receive, with its usual HTTP status and title (RFC 9457).
 * Callers switch on the code, so its name and meaning never change.
 */
export const PROBLEMS = {
  validation_failed: { status: 400, title: 'The request has the wrong shape' },
  unauthenticated: { status: 401, title: 'No valid credentials' },
  forbidden: { status: 403, title: 'Not allowed for these credentials' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'The path does not take this method' },
  illegal_state: { status: 409, title: 'Not possible in this state' },
  onboarding_live: { status: 409, title: 'The subject has a live onboarding' },
  step_in_progress: { status: 409, title: 'A step is in progress' },
  outcome_unknown: { status: 409, title: 'The outcome of a step is unknown' },
  onboarding_ended: { status: 410, title: 'The onboarding has ended' },
  onboarding_erased: { status: 410, title: 'The onboarding was erased' },
  version_mismatch: { status: 412, title: 'The onboarding has changed' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body is not JSON' },
  subject_not_found: { status: 422, title: 'The provider does not know the subject' },
  contact_invalid: { status: 422, title: 'No code can be sent to the contact' },
  captcha_required: { status: 422, title: 'A captcha must be solved first' },
  otp_invalid: { status: 422, title: 'Wrong code' },
  otp_expired: { status: 410, title: 'The code has expired' },
  otp_locked: { status: 409, title: 'No tries left for this code' },
  otp_resend_too_soon: { status: 429, title: 'Too soon for another code' },
  otp_send_limit: { status: 429, title: 'Too many codes sent' },
  session_expired: { status: 410, title: 'The session has expired' },
  attestation_invalid: { status: 422, title: 'A passkey failed a check' },
  upstream_rejected: { status: 422, title: 'The provider refused the request' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key stands for another request' },
  idempotency_in_progress: {
    status: 409,
    title: 'The first request with this idempotency key is still running',
  },
  rate_limited: { status: 429, title: 'Too many requests' },
  not_ready: { status: 503, title: 'The service is not ready' },
  internal: { status: 500, title: 'Something broke on our side' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** One fault inside a request, located by an RFC 6901 JSON pointer. */
export interface FieldError {
  pointer: string;
  code: string;
  detail: string;
}

export interface ProblemOptions {
  detail: string;
  /** Replaces the code's usual status, e.g. `otp_locked` for a whole day is 429. */
  status?: number;
  /** Whether the same request may succeed later without any other action. */
  retryable?: boolean;
  /** Whole seconds, sent as `Retry-After`. */
  retryAfterS?: number;
  /** The limit that was hit, for the `RateLimit` headers of a 429. */
  rateLimit?: { policy: string; quota: number; windowS: number };
  errors?: FieldError[];
  /** Extension members of the problem (RFC 9457 §3.2), e.g. `attemptsLeft`. */
  extensions?: Record<string, unknown>;
  cause?: unknown;
}

/** A refusal with a meaning for the caller. The problem filter turns it into the response. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly retryAfterS: number | undefined;
  readonly rateLimit: ProblemOptions['rateLimit'];
  readonly errors: FieldError[] | undefined;
  readonly extensions: Record<string, unknown>;

  constructor(code: ProblemCode, options: ProblemOptions) {
    super(options.detail, { cause: options.cause });
    this.name = 'ProblemError';
    this.code = code;
    this.status = options.status ?? PROBLEMS[code].status;
    this.retryAfterS = options.retryAfterS;
    this.retryable = options.retryable ?? (this.status === 429 || this.status === 503);
    this.rateLimit = options.rateLimit;
    this.errors = options.errors;
    this.extensions = options.extensions ?? {};
  }
}
