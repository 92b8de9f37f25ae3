import { z } from 'zod';
import { ProblemError, Secret, type Clock } from '#libs/kernel';
import { shownDetail, shownMember, type ByzantineConfig } from '#libs/platform';
import { signByzantineRequest } from '#libs/signing';
import { commonFailure, failureOf, parseJson, wholeJson } from '../http-answer.js';
import type { HttpAnswer, UpstreamHttpClient } from '../http-client.js';
import type { ClockSkew } from '../clock-skew.js';
import { OneTry } from '../one-try.js';
import type { SigningKeys } from '../signing-keys.js';
import { UpstreamError } from '../upstream-error.js';
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
} from '../upstream-provider.js';
import {
  createAuthenticatorsAnswer,
  initOtpAnswer,
  otpAuthAnswer,
  toAuthenticatorParam,
  whoamiAnswer,
} from './byzantine.wire.js';
import { readText } from './known-texts.js';

const subjectSchema = z.strictObject({
  accountId: z.guid('is not a UUID').transform((id) => id.toLowerCase()),
  userId: z.guid('is not a UUID').transform((id) => id.toLowerCase()),
});

/** Byzantine's Integrator API: every request signed with the integrator's key, JSON both ways. */
export class ByzantineProvider implements UpstreamProvider {
  readonly kind = 'byzantine';
  readonly custody = 'provider';

  constructor(
    private readonly integration: Pick<ByzantineConfig, 'name' | 'baseUrl'>,
    private readonly keys: SigningKeys,
    private readonly http: UpstreamHttpClient,
    private readonly clock: Clock,
    private readonly skew: ClockSkew,
    private readonly maxSkewMs: number,
  ) {}

  parseSubject(value: unknown): ParsedSubject {
    const parsed = subjectSchema.safeParse(value);
    if (!parsed.success) {
      throw new ProblemError('validation_failed', {
        detail: 'The subject of a Byzantine onboarding is {"accountId": UUID, "userId": UUID}.',
        errors: parsed.error.issues.map((issue) => ({
          pointer: ['', 'subject', ...issue.path.map((part) => shownMember(String(part)))].join('/'),
          code: issue.code,
          detail: shownDetail(issue),
        })),
      });
    }
    const { accountId, userId } = parsed.data;
    // Random ids, which mean nobody to whoever cannot ask the provider.
    return { subject: parsed.data, key: `${accountId}/${userId}`, personal: [] };
  }

  keyOfContact(): null {
    return null;
  }

  /** Byzantine decides everything about its codes. */
  parseOtpChoice(value: unknown): ParsedChoice {
    const names = typeof value === 'object' && value !== null ? Object.keys(value) : [];
    if (
      value === undefined ||
      (names.length === 0 && !Array.isArray(value) && typeof value === 'object' && value)
    )
      return { choice: {}, once: {} };
    throw new ProblemError('validation_failed', {
      detail: 'Byzantine lets nobody choose anything about its codes.',
      errors: (names.length > 0 ? names : ['']).map((name) => ({
        pointer: name === '' ? '/otp' : `/otp/${shownMember(name)}`,
        code: 'not_supported',
        detail: 'is not for the caller to choose at Byzantine',
      })),
    });
  }

  async initOtp(call: Call, subject: Subject): Promise<SentOtp> {
    const answer = await this.#post(call, 'init-otp', '/v1/submit/init-otp', subject);
    return { handle: this.#read(answer, initOtpAnswer).otpId };
  }

  async verifyOtp(call: Call, subject: Subject, { handle }: SentOtp, proof: OtpProof): Promise<Grant> {
    if (proof.type !== 'code') throw new Error('Byzantine takes the code itself');
    const body = { ...subject, otpId: handle, otpCode: proof.code.reveal() };
    const answer = await this.#post(call, 'verify-otp', '/v1/submit/otp-auth', body);
    const { sessionId, expiresAt } = this.#read(answer, otpAuthAnswer);
    return { type: 'upstream-session', sessionId: new Secret(sessionId), expiresAt };
  }

  readDeviceRequest(): never {
    throw new ProblemError('validation_failed', {
      detail: 'Byzantine keeps the session itself: give the passkeys, and no request of the device.',
      errors: [{ pointer: '/device', code: 'not_supported', detail: 'is not taken at Byzantine' }],
    });
  }

  async createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
  ): Promise<string[] | null> {
    if (grant.type !== 'upstream-session') throw new Error('Byzantine keeps the session itself');
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
    const skewMs = this.skew.ms(this.clock.nowMs());
    if (skewMs >= this.maxSkewMs) throw clocksApart(skewMs);
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
    // Every signature would be refused as too old or too new; the probe goes on, to see whether that is over.
    const skewMs = this.skew.ms(this.clock.nowMs());
    if (lane !== 'probe' && skewMs >= this.maxSkewMs) throw clocksApart(skewMs);
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
          const signed = await sign((signer, limits) => signByzantineRequest(signer, request, limits));
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
    this.skew.saw(answer.headers['date'] ?? undefined, this.clock.nowMs());
    return answer;
  }

  #read<T>(answer: HttpAnswer, schema: z.ZodType<T>): T {
    const parsed = schema.safeParse(wholeJson(answer));
    if (parsed.success) return parsed.data;
    // It said yes and we cannot read to what: it may have taken effect.
    throw failureOf(answer, 'no_answer', `upstream answered ${answer.status} with a body of the wrong shape`);
  }

  #refusal(answer: HttpAnswer, lane: string): UpstreamError {
    const common = commonFailure(answer);
    if (common) return common;
    const { status } = answer;
    const body = parseJson(answer.text) as { error?: unknown } | undefined;
    const means = readText(typeof body?.error === 'string' ? body.error : answer.text);
    if (means === 'misconfigured') {
      return failureOf(answer, 'misconfigured', 'upstream says that a signature header is missing');
    }
    // In step 3 a 404 stands for an unknown session as well: a new code mends either.
    const missing = lane === 'create-authenticators' ? 'session_expired' : 'subject_not_found';
    const reason = status === 404 ? missing : means;
    if (reason) return failureOf(answer, 'rejected', `upstream answered ${status}: ${reason}`, reason);
    const understood = status === 409 || status === 422;
    return failureOf(
      answer,
      understood ? 'rejected' : 'rejected_unclear',
      `upstream answered ${status} with a text that is not known`,
    );
  }
}

/** Key, signature and scope are checked before the body is looked at: nothing was done. */
const refusesKey = ({ status }: HttpAnswer): boolean => status === 401 || status === 403;

function clocksApart(skewMs: number): UpstreamError {
  return new UpstreamError('misconfigured', {
    detail: `our clock and the provider's are ${Math.round(skewMs / 1000)} s apart`,
    evidence: { bytesSent: false, headersSeen: false, status: null, durationMs: 0 },
  });
}
