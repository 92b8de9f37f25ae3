import { z } from 'zod';
import type { ClockSkew } from '../transport/clock-skew.js';
import { wholeJson } from '../transport/http-answer.js';
import type { UpstreamHttpClient } from '../transport/http-client.js';
import { opaqueId, opaqueText } from '../transport/opaque.js';
import type { OneTry } from '../transport/one-try.js';
import { refusalOf, type Asked } from './refusal.js';
import type { AuthProxyIntegration } from './settings.js';
import { isSuccess, read } from './turnkey-api.js';

/** Ten years: an instant that is further off may be none. */
const MAX_SESSION_S = 315_360_000;

/** The routes, what they answer as far as it is read, and whether they change anything (Turnkey's Auth Proxy). */
const ROUTES = {
  otp_init_v2: {
    hasEffect: true,
    answer: z.object({ otpId: opaqueId, otpEncryptionTargetBundle: opaqueText }),
  },
  otp_verify_v2: { hasEffect: true, answer: z.object({ verificationToken: opaqueText }) },
  otp_login_v2: { hasEffect: true, answer: z.object({ session: opaqueText }) },
  signup_v2: { hasEffect: true, answer: z.object({ organizationId: opaqueId, userId: opaqueId }) },
  account: { hasEffect: false, answer: z.object({ organizationId: opaqueId.optional() }) },
  wallet_kit_config: {
    hasEffect: false,
    answer: z.object({
      organizationId: opaqueId,
      sessionExpirationSeconds: z.coerce.number().int().positive().max(MAX_SESSION_S),
    }),
  },
} as const;
type Route = keyof typeof ROUTES;
type AnswerOf<R extends Route> = z.output<(typeof ROUTES)[R]['answer']>;

/** What a caller gives for one call, from the user's browser. */
export interface FromBrowser {
  captchaToken?: string | undefined;
  origin?: string | undefined;
}

/**
 * Turnkey's Auth Proxy: unsigned JSON, known by its config id. It makes its activities itself, so that a repeated
 * request is another one.
 */
export class AuthProxyApi {
  constructor(
    private readonly integration: Pick<AuthProxyIntegration, 'name' | 'authProxyUrl' | 'authProxyConfigId'>,
    private readonly http: UpstreamHttpClient,
    private readonly skew: ClockSkew,
    /** Of the integration, for every call that has none of its own: a list of origins may refuse one without. */
    private readonly origin?: string,
  ) {}

  /** @throws UpstreamError */
  async post<R extends Route>(
    oneTry: OneTry,
    route: R,
    body: object | string,
    {
      tokenOver = 'otp_expired',
      browser = {},
    }: { tokenOver?: Asked['tokenOver']; browser?: FromBrowser } = {},
  ): Promise<AnswerOf<R>> {
    const { name, authProxyUrl, authProxyConfigId } = this.integration;
    const origin = browser.origin ?? this.origin;
    const answer = await this.http.send(oneTry.limits(ROUTES[route].hasEffect), {
      baseUrl: authProxyUrl,
      lane: `${name} ${route}`,
      method: 'POST',
      pathAndQuery: `/v1/${route}`,
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        'x-auth-proxy-config-id': authProxyConfigId,
        ...(browser.captchaToken !== undefined && { 'x-captcha-token': browser.captchaToken }),
        ...(origin !== undefined && { origin }),
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    this.skew.saw(answer);
    if (isSuccess(answer)) {
      return read(answer, ROUTES[route].answer as unknown as z.ZodType<AnswerOf<R>>, wholeJson(answer));
    }
    // The organization that its requests name, if any, is the subject's.
    const withOrigin = origin !== this.origin;
    throw refusalOf(answer, {
      signedBy: 'nobody',
      organization: 'sub',
      tokenOver,
      ageMs: null,
      withOrigin,
      takesCaptcha: route === 'otp_init_v2',
    });
  }
}
