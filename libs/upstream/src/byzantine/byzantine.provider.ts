import { z } from 'zod';
import { ProblemError, Secret, type Clock } from '#libs/kernel';
import { fieldErrors, pointerOf, type IntegrationConfig } from '#libs/platform';
import { signByzantineRequest } from '#libs/signing';
import { commonFailure, failureOf, parseJson, wholeJson } from '../transport/http-answer.js';
import type { HttpAnswer, UpstreamHttpClient } from '../transport/http-client.js';
import type { ClockSkew } from '../transport/clock-skew.js';
import { OneTry } from '../transport/one-try.js';
import type { SigningKeys } from '../transport/signing-keys.js';
import { NOTHING_SENT, UpstreamError, type RejectionReason } from '../port/upstream-error.js';
import type {
  Call,
  CallLimits,
  Grant,
  NewAuthenticator,
  OtpProof,
  ParsedChoice,
  ParsedSubject,
  SentOtp,
  Subject,
  UpstreamProvider,
} from '../port/upstream-provider.js';
import {
  createAuthenticatorsAnswer,
  initOtpAnswer,
  otpAuthAnswer,
  toAuthenticatorParam,
  whoamiAnswer,
} from './byzantine.wire.js';
import { readText, speaksOfKey } from './known-texts.js';

export const subjectSchema = z
  .strictObject({
    accountId: z.guid('is not a UUID').transform((id) => id.toLowerCase()),
    userId: z.guid('is not a UUID').transform((id) => id.toLowerCase()),
  })
  .meta({ id: 'ByzantineSubject', description: 'At Byzantine.' });

/** A client for Byzantine's Integrator API. The integrator's key signs each request. */
export class ByzantineProvider implements UpstreamProvider {
  readonly kind = 'byzantine';
  readonly custody = 'provider';

  constructor(
    private readonly integration: Pick<IntegrationConfig, 'name' | 'baseUrl'>,
    private readonly keys: SigningKeys,
    private readonly http: UpstreamHttpClient,
    private readonly clock: Clock,
    private readonly skew: ClockSkew,
  ) {}

  parseSubject(value: unknown): ParsedSubject {
    const parsed = subjectSchema.safeParse(value);
    if (!parsed.success) {
      throw new ProblemError('validation_failed', {
        detail: 'The subject of a Byzantine onboarding is {"accountId": UUID, "userId": UUID}.',
        errors: fieldErrors(parsed.error.issues, '/subject'),
      });
    }
    const { accountId, userId } = parsed.data;
    // Not personal: the ids are random, and only the provider knows whose they are.
    return { subject: parsed.data, key: `${accountId}/${userId}`, personal: [] };
  }

  parseOtpChoice(value: unknown): ParsedChoice {
    const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    if (
      value === undefined ||
      (names.length === 0 && !Array.isArray(value) && typeof value === 'object' && value)
    )
      return { choice: {}, once: {} };
    const paths = names.length > 0 ? names.map((name) => [name]) : [[]];
    throw new ProblemError('validation_failed', {
      detail: 'Byzantine accepts no settings for its codes.',
      errors: paths.map((path) => ({
        pointer: `/otp${pointerOf(path)}`,
        code: 'not_supported',
        detail: 'cannot be set at Byzantine',
      })),
    });
  }

  async initOtp(call: Call, subject: Subject): Promise<SentOtp> {
    const answer = await this.#post(call, 'init-otp', '/v1/submit/init-otp', subject);
    return { handle: this.#read(answer, initOtpAnswer).otpId };
  }

  async verifyOtp(call: Call, subject: Subject, { handle }: SentOtp, proof: OtpProof): Promise<Grant> {
    if (proof.type !== 'code') throw new Error('Byzantine needs a code in plain text');
    const body = { ...subject, otpId: handle, otpCode: proof.code.reveal() };
    const answer = await this.#post(call, 'verify-otp', '/v1/submit/otp-auth', body);
    const { sessionId, expiresAt } = this.#read(answer, otpAuthAnswer);
    return { type: 'upstream-session', sessionId: new Secret(sessionId), expiresAt };
  }

  readDeviceRequest(): never {
    throw new ProblemError('validation_failed', {
      detail: 'Byzantine accepts no request that a device has signed. Send the passkeys themselves.',
      errors: [{ pointer: '/device', code: 'not_supported', detail: 'is not supported at Byzantine' }],
    });
  }

  async createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
  ): Promise<string[] | null> {
    if (grant.type !== 'upstream-session') throw new Error('Byzantine needs the id of its session');
    const path = '/v1/submit/create-authenticators-otp';
    const body = {
      sessionId: grant.sessionId.reveal(),
      ...subject,
      authenticators: authenticators.map(toAuthenticatorParam),
    };
    const answer = await this.#post(call, 'create-authenticators', path, body);
    const { authenticatorIds } = this.#read(answer, createAuthenticatorsAnswer);
    return authenticatorIds.length === authenticators.length ? authenticatorIds : null;
  }

  async probe(call: CallLimits): Promise<void> {
    const answer = await this.#send(call, 'probe', 'GET', '/v1/integrator/whoami');
    if (answer.status < 200 || answer.status > 299) throw this.#refusal(answer, 'probe');
    // A successful probe resumes all parked onboardings, so a single answer with a differing clock fails it.
    if (this.skew.stops || this.skew.mayStop) throw clocksApart(this.skew.lastMs());
    const { capabilities } = this.#read(answer, whoamiAnswer);
    if (!capabilities.canWrite)
      throw failureOf(answer, 'misconfigured', 'our key at the provider is read-only');
  }

  async #post(call: CallLimits, lane: string, path: string, body: object): Promise<HttpAnswer> {
    const answer = await this.#send(call, lane, 'POST', path, JSON.stringify(body));
    if (answer.status < 200 || answer.status > 299) throw this.#refusal(answer, lane);
    return answer;
  }

  async #send(call: CallLimits, lane: string, method: 'GET' | 'POST', pathAndQuery: string, body?: string) {
    // While the clocks differ, Byzantine would refuse each signature. Probes show when they agree again.
    if (lane !== 'probe' && this.skew.stops) throw clocksApart(this.skew.ms());
    const oneTry = new OneTry(call, this.clock);
    const headers = { accept: 'application/json', ...(body && { 'content-type': 'application/json' }) };
    const answer = await oneTry.run(() =>
      this.keys.send({
        leftMs: () => oneTry.leftMs,
        refusesKey,
        again: () => oneTry.refused(),
        send: async (sign) => {
          const timestampS = Math.floor(this.clock.nowMs() / 1000);
          const request = { timestampS, method, pathAndQuery, body: body ?? '' };
          const signed = await sign((signer, timeoutMs) => signByzantineRequest(signer, request, timeoutMs));
          return this.http.send(oneTry.limits(true), {
            baseUrl: this.integration.baseUrl,
            lane: `${this.integration.name} ${lane}`,
            method,
            pathAndQuery,
            headers: { ...headers, ...signed },
            ...(body && { body }),
          });
        },
      }),
    );
    this.skew.saw(answer);
    return answer;
  }

  #read<T>(answer: HttpAnswer, schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(wholeJson(answer));
    if (parsed.success) return parsed.data;
    // The request may have taken effect, because its answer is a 2xx.
    throw failureOf(answer, 'no_answer', `upstream answered ${answer.status} with a body of the wrong shape`);
  }

  #refusal(answer: HttpAnswer, lane: string): UpstreamError {
    const error = this.#failureOf(answer, lane);
    const text = textOf(answer);
    const isKnown = readText(text) !== null || (error.failure === 'misconfigured' && speaksOfKey(text));
    return isKnown ? error : error.saying(answer.status, text);
  }

  #failureOf(answer: HttpAnswer, lane: string): UpstreamError {
    const { status } = answer;
    const refused = status === 401 || status === 403;
    const means = readText(textOf(answer));
    const rejected = (reason: RejectionReason) =>
      failureOf(answer, 'rejected', `upstream answered ${status}: ${reason}`, reason);
    if (refused && means === 'subject_not_found') return rejected(means);
    // Byzantine also answers 429 if the user has reached a limit, such as the number of passkeys. Waiting
    // does not help then.
    if (status === 429 && (means === 'authenticator_limit' || means === 'resource_limit'))
      return rejected(means);
    if (refused) {
      const detail = `upstream answered ${status}`;
      const mayBeOfSubject = lane !== 'probe' && !speaksOfKey(textOf(answer));
      return new UpstreamError('misconfigured', { detail, evidence: answer.evidence, mayBeOfSubject });
    }
    const common = commonFailure(answer);
    if (common) return common;
    if (means === 'misconfigured') {
      return failureOf(answer, 'misconfigured', 'upstream says that a signature header is missing');
    }
    if (means === 'throttled')
      return failureOf(answer, 'throttled', `upstream answered ${status}: throttled`);
    // In the last step, a 404 may be about the session or the subject. In both cases, the user requests a new
    // code, which fails if the subject is unknown.
    const missing = lane === 'create-authenticators' ? 'session_expired' : 'subject_not_found';
    const reason = status === 404 ? missing : means;
    if (reason) return rejected(reason);
    const understood = status === 409 || status === 422;
    return failureOf(
      answer,
      understood ? 'rejected' : 'rejected_unclear',
      `upstream answered ${status} with a text that is not known`,
    );
  }
}

/**
 * Byzantine checks the key, the signature and the scope before it reads the body, so such a request had no
 * effect.
 */
const refusesKey = (answer: HttpAnswer): boolean =>
  (answer.status === 401 || answer.status === 403) && readText(textOf(answer)) !== 'subject_not_found';

/** An error's body is `{error, status}` or plain text. */
function textOf({ text }: HttpAnswer): string {
  const body = parseJson(text) as { error?: unknown } | null | undefined;
  return typeof body?.error === 'string' ? body.error : text;
}

function clocksApart(skewMs: number): UpstreamError {
  return new UpstreamError('misconfigured', {
    detail: `our clock and the provider's are ${Math.round(skewMs / 1000)} s apart`,
    evidence: NOTHING_SENT,
  });
}
