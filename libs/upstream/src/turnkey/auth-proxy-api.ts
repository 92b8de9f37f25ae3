import { z } from 'zod';
import type { ClockSkew } from '../transport/clock-skew.js';
import { wholeJson } from '../transport/http-answer.js';
import type { UpstreamHttpClient } from '../transport/http-client.js';
import { opaqueId, opaqueText } from '../transport/opaque.js';
import type { OneTry } from '../transport/one-try.js';
import { refusalOf, type Asked } from './refusal.js';
import type { AuthProxyIntegration } from './settings.js';
import { isSuccess, read } from './turnkey-api.js';

/** Ten years. A much longer lifetime could exceed the range of `Date`. */
const MAX_SESSION_S = 315_360_000;

/** `answer`: the parts that the service uses. */
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

/** Values from the user's browser, which the caller forwards for one call. */
export interface FromBrowser {
  captchaToken?: string | undefined;
  origin?: string | undefined;
}

/**
 * A client for Turnkey's Auth Proxy, which takes unsigned requests. The proxy does not recognize a repeated
 * request, so a repeat takes effect a second time.
 */
export class AuthProxyApi {
  constructor(
    private readonly integration: Pick<AuthProxyIntegration, 'name' | 'authProxyUrl' | 'authProxyConfigId'>,
    private readonly http: UpstreamHttpClient,
    private readonly skew: ClockSkew,
    /** For calls without an origin from a browser, if the proxy allows only certain origins. */
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
    const withOrigin = origin !== this.origin;
    throw refusalOf(answer, {
      signedBy: 'none',
      // No request names the parent organization.
      organization: 'sub',
      tokenOver,
      ageMs: null,
      withOrigin,
      takesCaptcha: route === 'otp_init_v2',
    });
  }
}
