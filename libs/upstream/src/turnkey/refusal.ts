import { z } from 'zod';
import { commonFailure, failureOf, parseJson } from '../transport/http-answer.js';
import type { HttpAnswer } from '../transport/http-client.js';
import { UpstreamError, type RejectionReason } from '../port/upstream-error.js';
import { readRefusal, type Meaning } from './known-texts.js';

/** About the refused request. */
export interface Asked {
  /** `parent`: our organization's key. */
  signedBy: 'parent' | 'session' | 'none';
  organization: 'parent' | 'sub';
  /** The reason for an invalid verification token. */
  tokenOver: 'otp_expired' | 'session_expired';
  /** The age of the request's `timestampMs`; null if it has none. */
  ageMs: number | null;
  /** Whether the request has the caller's web origin, not the integration's. */
  withOrigin?: boolean;
  takesCaptcha?: boolean;
}

/** A failed activity has a gRPC code instead of an HTTP status (Turnkey public API, errors). */
const STATUS_OF_GRPC: Readonly<Record<number, number>> = { 3: 400, 5: 404, 7: 403, 8: 429, 16: 401 };

/** Used if both the code and the text are unknown. */
const OF_STATUS: Readonly<Record<number, Meaning>> = {
  401: 'key_refused',
  403: 'not_permitted',
  429: 'throttled',
};

/** Turnkey accepts a `timestampMs` for one hour. A refusal before this age shows that the clocks differ. */
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
  text: string;
}

export function refusalOf(answer: HttpAnswer, asked: Asked): UpstreamError {
  const { status } = answer;
  const said = read(parseJson(answer.text), status);
  const common = commonFailure(answer);
  // With 401, 403 and 429, Turnkey's text decides. With other statuses, the text may come from a proxy.
  const isCommon = common && status !== 429 && status !== 401 && status !== 403;
  const error = isCommon ? common : meant(answer, said, asked, `upstream answered ${status}`);
  return said.means === null ? error.saying(status, said.text || answer.text) : error;
}

/** Turnkey checks the key that made the stamp before everything else. */
export function refusesApiKey({ status, text }: HttpAnswer): boolean {
  if (status !== 401 && status !== 403) return false;
  const { means } = read(parseJson(text), status);
  return (means ?? OF_STATUS[status]) === 'key_refused';
}

/**
 * @param failure the activity's gRPC status
 * @returns an error that allows no retry, because Turnkey answers the same body with the same activity
 */
export function failedActivity(answer: HttpAnswer, failure: unknown, asked: Asked): UpstreamError {
  const grpc = (failure as { code?: unknown } | null | undefined)?.code;
  const said = read(failure, (typeof grpc === 'number' && STATUS_OF_GRPC[grpc]) || 500);
  const detail = `the activity failed (${said.code ?? said.status})`;
  const error = meant(answer, said, asked, detail);
  const failed = error.failure === 'rejected' ? error : failureOf(answer, 'rejected_unclear', detail);
  return said.means === null ? failed.saying(said.status, said.text) : failed;
}

function read(body: unknown, status: number): Said {
  const { message = '', details } = errorBody.safeParse(body).data ?? {};
  const given = details?.find((one) => one.turnkeyErrorCode)?.turnkeyErrorCode ?? null;
  // The timeline stores the code, and PostgreSQL cannot store every text.
  const code = given !== null && /^[A-Z0-9_]{1,64}$/.test(given) ? given : null;
  const text = [code, message].filter(Boolean).join(': ');
  return { status, code, means: readRefusal({ code, text: message }), text };
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
      return misconfigured('the requested feature is switched off');
    case 'key_refused':
      if (bySession) return rejected('session_expired');
      if (means === null) return keyOrSubject('our credentials are refused');
      // The subject may belong to another customer of Turnkey.
      return asked.signedBy === 'parent' && asked.organization === 'sub' && code === 'PUBLIC_KEY_NOT_FOUND'
        ? new ForeignKey(misconfigured('our key is not known in the organization'))
        : misconfigured('our credentials are refused');
    // A policy at Turnkey forbids the request, so a new code does not help.
    case 'not_permitted':
      return bySession
        ? failureOf(answer, 'rejected', `${detail}: a policy forbids the request`)
        : keyOrSubject('our credentials do not permit the request');
    case 'captcha_required':
      return asked.takesCaptcha ? rejected(meaning) : rejected();
    case 'origin_refused':
      return asked.withOrigin
        ? rejected()
        : misconfigured('the Auth Proxy does not allow the origin of the integration’s defaults');
    case 'organization_unknown':
      return asked.organization === 'sub'
        ? rejected('subject_not_found')
        : misconfigured('our organization is unknown');
    case 'token_over':
    case 'token_used':
      return new TokenRefusal(rejected(asked.tokenOver), meaning);
    case 'not_current':
      // Turnkey no longer accepts such an old request, so a repeat cannot return the result of the first try.
      return (asked.ageMs ?? 0) > REPEATABLE_MS
        ? failureOf(answer, 'no_answer', `${detail}: the request is too old to be repeated`)
        : misconfigured('our clock differs from the provider’s');
    default:
      return rejected(meaning);
  }
}

/** The subject's organization does not know our key. */
export class ForeignKey extends UpstreamError {
  constructor({ failure, message, evidence }: UpstreamError) {
    super(failure, { detail: message, evidence });
  }
}

/** A token that was used before may have opened its session. */
export class TokenRefusal extends UpstreamError {
  constructor(
    { failure, message, evidence, reason }: UpstreamError,
    readonly token: 'token_over' | 'token_used',
  ) {
    super(failure, { detail: message, evidence, ...(reason && { reason }) });
  }
}
