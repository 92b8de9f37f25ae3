import { z } from 'zod';
import { commonFailure, failureOf, parseJson } from '../transport/http-answer.js';
import type { HttpAnswer } from '../transport/http-client.js';
import { UpstreamError, type RejectionReason } from '../port/upstream-error.js';
import { readRefusal, type Meaning } from './known-texts.js';

/** What a request was, as far as the meaning of its refusal depends on it. */
export interface Asked {
  /** Whose signature it has: ours, that of a user's session, or none. */
  signedBy: 'parent' | 'session' | 'nobody';
  /** Whose organization it names: the one we are configured with, or the subject's. */
  organization: 'parent' | 'sub';
  /** Where a verification token that is over leads: to a new code, whichever way this step has there. */
  tokenOver: 'otp_expired' | 'session_expired';
  /** How old its `timestampMs` is, in milliseconds; null where it has none. */
  ageMs: number | null;
  /** Whether it has a web origin of the caller's, and not the integration's. */
  withOrigin?: boolean;
  /** Whether it can take the token of a captcha. */
  takesCaptcha?: boolean;
}

/** gRPC's codes, which a failed activity has in place of an HTTP status (Turnkey public API, errors). */
const STATUS_OF_GRPC: Readonly<Record<number, number>> = { 3: 400, 5: 404, 7: 403, 8: 429, 16: 401 };

/** What a status says where neither code nor text is known. */
const OF_STATUS: Readonly<Record<number, Meaning>> = {
  401: 'key_refused',
  403: 'not_permitted',
  429: 'throttled',
};

/** The older end of the window for `timestampMs` is an hour; what was refused younger than this met another clock. */
const REPEATABLE_MS = 55 * 60_000;

const errorBody = z.object({
  code: z.number().nullish(),
  message: z.string().catch(''),
  details: z
    .array(z.object({ turnkeyErrorCode: z.string().optional().catch(undefined) }))
    .nullish()
    .catch(null),
});

interface Said {
  status: number;
  code: string | null;
  means: Meaning | null;
}

/** The failure that an answer other than 2xx amounts to. */
export function refusalOf(answer: HttpAnswer, asked: Asked): UpstreamError {
  const { status } = answer;
  const said = read(parseJson(answer.text), status);
  const common = commonFailure(answer);
  // A limit on what a user may have comes as 429, and a proxy's page of any status may hold any text.
  if (common && status !== 429 && status !== 401 && status !== 403) return common;
  return meant(answer, said, asked, `upstream answered ${status}`);
}

/** Whether the key that stamped is refused, be it unknown, over or not the signature's: nothing was looked at further. */
export function refusesApiKey({ status, text }: HttpAnswer): boolean {
  if (status !== 401 && status !== 403) return false;
  const { means } = read(parseJson(text), status);
  return (means ?? OF_STATUS[status]) === 'key_refused';
}

/**
 * What an activity that failed amounts to. The same bytes are this activity for ever: nothing that a repeat could
 * mend is said of it.
 *
 * @param failure of the activity: a status of gRPC's.
 */
export function failedActivity(answer: HttpAnswer, failure: unknown, asked: Asked): UpstreamError {
  const grpc = (failure as { code?: unknown } | null | undefined)?.code;
  const said = read(failure, (typeof grpc === 'number' && STATUS_OF_GRPC[grpc]) || 500);
  const detail = `the activity failed (${said.code ?? said.status})`;
  const error = meant(answer, said, asked, detail);
  return error.failure === 'rejected' ? error : failureOf(answer, 'rejected_unclear', detail);
}

function read(body: unknown, status: number): Said {
  const { message = '', details } = errorBody.safeParse(body).data ?? {};
  const given = details?.find((one) => one.turnkeyErrorCode)?.turnkeyErrorCode ?? null;
  // It is repeated in details, which go into the timeline: PostgreSQL stores not every text there is.
  const code = given !== null && /^[A-Z0-9_]{1,64}$/.test(given) ? given : null;
  return { status, code, means: readRefusal({ code, text: message }) };
}

function meant(
  answer: HttpAnswer,
  { status, code, means }: Said,
  asked: Asked,
  detail: string,
): UpstreamError {
  const rejected = (reason?: RejectionReason) =>
    failureOf(answer, 'rejected', reason ? `${detail}: ${reason}` : detail, reason);
  const misconfigured = (why: string) => failureOf(answer, 'misconfigured', `${detail}: ${why}`);
  const keyOrSubject = (why: string) =>
    new UpstreamError('misconfigured', {
      detail: `${detail}: ${why}`,
      evidence: answer.evidence,
      mayBeOfSubject: true,
    });
  const bySession = asked.signedBy === 'session';

  const meaning = means ?? OF_STATUS[status];
  switch (meaning) {
    case undefined:
      return failureOf(answer, 'rejected_unclear', `${detail} with a text that is not known`);
    case 'throttled':
      return failureOf(answer, 'throttled', detail);
    case 'misconfigured':
      return misconfigured('what we ask for is switched off');
    case 'key_refused':
      if (bySession) return rejected('session_expired');
      if (means === null) return keyOrSubject('our credentials are refused');
      // The key is not in the subject's organization, nor in its parent: the organization may be another customer's.
      return asked.signedBy === 'parent' && asked.organization === 'sub' && code === 'PUBLIC_KEY_NOT_FOUND'
        ? new ForeignKey(misconfigured('our key is not known in the organization'))
        : misconfigured('our credentials are refused');
    // The session is open: a policy of the customer's forbids its user the request, and no new code helps.
    case 'not_permitted':
      return bySession
        ? failureOf(answer, 'rejected', `${detail}: a policy forbids it`)
        : keyOrSubject('our credentials may not do it');
    case 'captcha_required':
      return asked.takesCaptcha ? rejected(meaning) : rejected();
    case 'origin_refused':
      return asked.withOrigin
        ? rejected()
        : misconfigured('its list of origins lacks the one of our defaults');
    case 'organization_unknown':
      return asked.organization === 'sub'
        ? rejected('subject_not_found')
        : misconfigured('our organization is unknown');
    case 'token_over':
    case 'token_used':
      return new TokenRefusal(rejected(asked.tokenOver), meaning);
    case 'not_current':
      // Too old to be repeated, what became of the first cannot be asked this way any more.
      return (asked.ageMs ?? 0) > REPEATABLE_MS
        ? failureOf(answer, 'no_answer', `${detail}: the request is too old to be repeated`)
        : misconfigured('our clock is not the provider’s');
    default:
      return rejected(meaning);
  }
}

/** A subject's organization does not know our key. The probe shows whether our own does. */
export class ForeignKey extends UpstreamError {
  constructor({ failure, message, evidence }: UpstreamError) {
    super(failure, { detail: message, evidence });
  }
}

/** A verification token that upstream takes no more. One that was used may have opened the session it was for. */
export class TokenRefusal extends UpstreamError {
  constructor(
    { failure, message, evidence, reason }: UpstreamError,
    readonly token: 'token_over' | 'token_used',
  ) {
    super(failure, { detail: message, evidence, ...(reason && { reason }) });
  }
}
