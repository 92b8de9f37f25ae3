import type { FieldError } from './fault.js';
import type { Limit } from './limit.js';

/** Members in addition to the standard ones (RFC 9457 §3.2). */
export type ProblemMember =
  | 'attemptsLeft'
  | 'checks'
  | 'errors'
  | 'nextAction'
  | 'onboardingId'
  | 'requiredScopes'
  | 'state'
  | 'version';

interface ProblemType {
  status: number;
  /** The HTTP status if the reason lasts longer than usual, e.g. a whole day. */
  alsoStatus?: number;
  title: string;
  cause: string;
  remedy: string;
  members?: readonly ProblemMember[];
}

const OF_STATE = ['state', 'nextAction'] as const;
const OF_STEP = ['attemptsLeft', 'onboardingId', 'state', 'nextAction', 'errors'] as const;

/** Every error code that callers can get. Callers switch on a code, so it keeps its name and its meaning. */
export const PROBLEMS = {
  validation_failed: {
    status: 400,
    title: 'The request has the wrong shape',
    cause:
      'A member, header or parameter is missing or unknown, or has a value that the route does not accept.',
    remedy: 'Correct the faults that `errors` lists. The same request fails again.',
    members: ['errors'],
  },
  unauthenticated: {
    status: 401,
    title: 'No valid credentials',
    cause: 'The request has no bearer token, or its token is unknown, expired or revoked.',
    remedy: 'Send a valid token in `Authorization: Bearer …`.',
  },
  forbidden: {
    status: 403,
    title: 'Not allowed for these credentials',
    cause: 'The token is valid, but it lacks a scope that the route needs, or access to the integration.',
    remedy: 'Ask an administrator for a key with one of `requiredScopes`, or for access to the integration.',
    members: ['requiredScopes'],
  },
  not_found: {
    status: 404,
    title: 'Not found',
    cause: 'The path or the onboarding does not exist, or the onboarding belongs to another caller.',
    remedy: 'Check the path. Use a key of the caller that started the onboarding.',
  },
  method_not_allowed: {
    status: 405,
    title: 'The path does not take this method',
    cause: 'The path exists, but not for this HTTP method.',
    remedy: 'Use a method that `Allow` names.',
  },
  illegal_state: {
    status: 409,
    title: 'Not possible in this state',
    cause: 'The onboarding is in a state that does not allow the command, or it has just changed.',
    remedy: 'Do what `nextAction` says. If `retryable` is true, send the command again.',
    members: ['onboardingId', ...OF_STATE],
  },
  onboarding_live: {
    status: 409,
    title: 'The subject has a live onboarding',
    cause: 'A subject can have only one live onboarding at a time.',
    remedy:
      'If the onboarding is yours, the problem has `onboardingId`: continue with it, or start with ' +
      '`"supersede": true`. Otherwise another caller owns the onboarding: wait until it ends.',
    members: ['onboardingId'],
  },
  step_in_progress: {
    status: 409,
    title: 'A step is in progress',
    cause: 'A call to the provider is under way, or waits for its retry.',
    remedy:
      'Follow the timeline, or read the onboarding every second. If `nextAction.until` is null, ' +
      'an operator must act first.',
    members: OF_STATE,
  },
  outcome_unknown: {
    status: 409,
    title: 'The outcome of a step is unknown',
    cause: 'The provider’s answer was lost: the call may have taken effect.',
    remedy: 'Find out what happened and resolve the onboarding, or ask for a new code if the step allows it.',
    members: OF_STEP,
  },
  onboarding_ended: {
    status: 410,
    title: 'The onboarding has ended',
    cause: 'The onboarding is completed, failed, expired or cancelled.',
    remedy: 'Start a new onboarding.',
    members: ['onboardingId', ...OF_STATE],
  },
  onboarding_erased: {
    status: 410,
    title: 'The onboarding was erased',
    cause: 'The onboarding of this `Idempotency-Key` was erased, and the stored answer with it.',
    remedy: 'Start a new onboarding with a new key.',
  },
  version_mismatch: {
    status: 412,
    title: 'The onboarding has changed',
    cause: '`If-Match` does not name the current version.',
    remedy: 'Read the onboarding again, decide again, and send the new `ETag`.',
    members: ['version'],
  },
  payload_too_large: {
    status: 413,
    title: 'The body is too large',
    cause: 'The body is larger than 256 KiB, or has more than 8192 values.',
    remedy: 'Send a smaller body.',
  },
  unsupported_media_type: {
    status: 415,
    title: 'The body is not JSON',
    cause: 'The request has a body whose `Content-Type` is not `application/json`.',
    remedy: 'Send JSON, and say so in `Content-Type`.',
  },
  subject_not_found: {
    status: 422,
    title: 'The provider does not know the subject',
    cause: 'The provider has no such account or user.',
    remedy: 'Check the ids of the subject. If they are right, create the user at the provider first.',
    members: OF_STEP,
  },
  contact_invalid: {
    status: 422,
    title: 'No code can be sent to the contact',
    cause: 'The provider does not accept this e-mail address or phone number.',
    remedy: 'Ask the user for another address or number, and start again.',
    members: OF_STEP,
  },
  captcha_required: {
    status: 422,
    title: 'A captcha must be solved first',
    cause: 'The provider asks for a captcha, and the token was missing, already used or too old.',
    remedy: 'Let the user solve a captcha, and send the command again with `otp.captchaToken`.',
    members: OF_STEP,
  },
  otp_invalid: {
    status: 422,
    title: 'Wrong code',
    cause: 'The provider refused the code.',
    remedy: 'If `attemptsLeft` is above 0, let the user try again. If it is 0, ask for a new code.',
    members: OF_STEP,
  },
  otp_expired: {
    status: 410,
    title: 'The code has expired',
    cause: 'The code was not used in time.',
    remedy: 'Ask for a new code.',
    members: OF_STEP,
  },
  otp_locked: {
    status: 409,
    alsoStatus: 429,
    title: 'No tries left for this code',
    cause: 'The user typed too many wrong codes: for this code (status 409) or in 24 hours (status 429).',
    remedy: 'With 409, ask for a new code. With 429, wait as long as `Retry-After` says.',
    members: OF_STEP,
  },
  otp_resend_too_soon: {
    status: 429,
    title: 'Too soon for another code',
    cause: 'The last code was sent less than a minute ago. An installation may set another time.',
    remedy: 'Wait as long as `Retry-After` says.',
    members: OF_STATE,
  },
  otp_send_limit: {
    status: 429,
    title: 'Too many codes sent',
    cause: 'The subject has reached its limit of codes for now. The limit counts all its onboardings.',
    remedy: 'Wait as long as `Retry-After` says.',
    members: OF_STATE,
  },
  session_expired: {
    status: 410,
    title: 'The session has expired',
    cause: 'The session that the code opened ended before the passkeys were registered.',
    remedy: 'Ask for a new code.',
    members: OF_STEP,
  },
  attestation_invalid: {
    status: 422,
    title: 'A passkey failed a check',
    cause:
      'A passkey was made for another challenge or another site, is already registered, ' +
      'or breaks the integration’s policy.',
    remedy: 'Read `errors[].code`. Let the user create another passkey with fresh options.',
    members: OF_STEP,
  },
  upstream_rejected: {
    status: 422,
    title: 'The provider refused the request',
    cause: 'The provider answered that it refuses this request.',
    remedy: 'Read `detail`. The same request is refused again.',
    members: OF_STEP,
  },
  idempotency_key_reused: {
    status: 422,
    title: 'This idempotency key was already used for another request',
    cause: 'An earlier request used this `Idempotency-Key` for another onboarding or with another body.',
    remedy: 'Use a new key for a new request.',
  },
  idempotency_in_progress: {
    status: 409,
    title: 'The first request with this idempotency key is still running',
    cause: 'An earlier request with this `Idempotency-Key` has no answer yet.',
    remedy: 'Send the same request again after `Retry-After`.',
    members: ['onboardingId', ...OF_STATE],
  },
  rate_limited: {
    status: 429,
    title: 'Too many requests',
    cause: 'The caller or its address made too many requests in a minute, or it has too many streams open.',
    remedy: 'Wait as long as `Retry-After` says.',
  },
  not_ready: {
    status: 503,
    title: 'The service is not ready',
    cause:
      'PostgreSQL does not answer or takes no writes, or this replica is stopping or has too many streams.',
    remedy: 'Send the same request again after `Retry-After`, with the same `Idempotency-Key`.',
    members: ['checks'],
  },
  internal: {
    status: 500,
    title: 'Something broke on our side',
    cause: 'The service has a fault.',
    remedy: 'Report the `traceId` to the operators. You may repeat a request that has an `Idempotency-Key`.',
  },
} as const satisfies Record<string, ProblemType>;

export type ProblemCode = keyof typeof PROBLEMS;

export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** @returns the link to the problem's entry in the service's list of errors (RFC 9457 §3.1.1). */
export const problemType = (code: ProblemCode): string => `/docs/errors#${code}`;

export const statusesOf = (code: ProblemCode): number[] => {
  const { status, alsoStatus } = PROBLEMS[code] as ProblemType;
  return alsoStatus === undefined ? [status] : [status, alsoStatus];
};

export const membersOf = (code: ProblemCode): readonly ProblemMember[] =>
  (PROBLEMS[code] as ProblemType).members ?? [];

export interface ProblemOptions {
  detail: string;
  /** Replaces the usual status of the code, e.g. by 429 if `otp_locked` lasts a whole day. */
  status?: number;
  /** Whether the same request may succeed later, without any other action. */
  retryable?: boolean;
  /** Whole seconds, sent as `Retry-After`. */
  retryAfterS?: number;
  /** For the `RateLimit` headers of a 429. */
  rateLimit?: { policy: string; quota: number; windowS: number };
  /** The limit that was reached. Only the metrics use it. */
  limit?: Limit;
  errors?: FieldError[];
  extensions?: Partial<Record<ProblemMember, unknown>>;
  cause?: unknown;
}

/** An error that the caller can react to. */
export class ProblemError extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly retryable: boolean;
  readonly retryAfterS: number | undefined;
  readonly rateLimit: ProblemOptions['rateLimit'];
  readonly limit: Limit | undefined;
  readonly errors: FieldError[] | undefined;
  readonly extensions: Partial<Record<ProblemMember, unknown>>;

  constructor(code: ProblemCode, options: ProblemOptions) {
    super(options.detail, { cause: options.cause });
    this.name = 'ProblemError';
    this.code = code;
    this.status = options.status ?? PROBLEMS[code].status;
    this.retryAfterS = options.retryAfterS;
    this.retryable = options.retryable ?? (this.status === 429 || this.status === 503);
    this.rateLimit = options.rateLimit;
    this.limit = options.limit;
    this.errors = options.errors;
    this.extensions = options.extensions ?? {};
  }
}
