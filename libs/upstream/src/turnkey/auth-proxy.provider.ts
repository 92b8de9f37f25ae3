import { turnkeyVerifier } from '#libs/signing';
import type { ProviderParts } from '../define-provider.js';
import { UpstreamError } from '../port/upstream-error.js';
import type {
  Call,
  CallLimits,
  DeviceRequest,
  DeviceSigning,
  Grant,
  NewAuthenticator,
  OtpChoice,
  OtpProof,
  ParsedChoice,
  ParsedSubject,
  SentOtp,
  Subject,
  UpstreamProvider,
} from '../port/upstream-provider.js';
import { AuthProxyApi } from './auth-proxy-api.js';
import { AuthProxyLogin } from './auth-proxy-login.js';
import { OTP_TYPES } from './contact.js';
import { readDeviceRequest } from './device-request.js';
import { OneTry } from '../transport/one-try.js';
import {
  checkedDefaults,
  overlaid,
  parseAuthProxyChoice,
  parseAuthProxyDefaults,
  type AuthProxyChoice,
} from './otp-choice.js';
import { PasskeySteps } from './passkey-steps.js';
import type { AuthProxyIntegration } from './settings.js';
import { TokenCheck } from './token-check.js';
import { TurnkeyApi } from './turnkey-api.js';
import { parseTurnkeySubject, turnkeySubject } from './turnkey-subject.js';
import { verifyBy } from './verification.js';

/**
 * A client for Turnkey without a key of the parent organization. The Auth Proxy sends codes and opens
 * sessions. The public API registers passkeys, with the session's key.
 */
export class AuthProxyProvider implements UpstreamProvider {
  readonly kind = 'turnkey-auth-proxy';
  readonly custody;
  readonly #proxy: AuthProxyApi;
  readonly #check: TokenCheck;
  readonly #login: AuthProxyLogin;
  readonly #passkeys: PasskeySteps;
  readonly #otpDefaults: AuthProxyChoice;

  constructor(
    private readonly integration: AuthProxyIntegration,
    private readonly parts: ProviderParts,
  ) {
    const { name, custody, organizationId: parentId, otpDefaults } = integration;
    const { http, clock, skew } = parts;
    this.custody = custody;
    this.#otpDefaults = checkedDefaults(name, parseAuthProxyDefaults, otpDefaults);
    this.#proxy = new AuthProxyApi(integration, http, skew, this.#otpDefaults.origin);
    this.#check = new TokenCheck(turnkeyVerifier(integration), () => clock.nowMs());
    const api = new TurnkeyApi(integration, http, clock, skew);
    this.#login = new AuthProxyLogin(this.#proxy, api, this.#check, clock, parentId);
    this.#passkeys = new PasskeySteps(api, null, this.#check);
  }

  parseSubject(value: unknown): ParsedSubject {
    return parseTurnkeySubject(value, this.custody, this.integration.organizationId);
  }

  parseOtpChoice(value: unknown): ParsedChoice {
    const { captchaToken, ...choice } = parseAuthProxyChoice(value);
    return { choice, once: captchaToken === undefined ? {} : { captchaToken } };
  }

  async initOtp(call: Call, subject: Subject, choice: OtpChoice): Promise<SentOtp> {
    const { contact } = turnkeySubject(subject);
    const { emailCustomization, origin } = overlaid(this.#otpDefaults, choice as AuthProxyChoice);
    const oneTry = this.#try(call);
    return oneTry.run(async () => {
      const captchaToken = await call.kept('captchaToken', () => '');
      const browser = { ...(origin && { origin }), ...(captchaToken && { captchaToken }) };
      const request = {
        otpType: OTP_TYPES[contact.type],
        contact: contact.value,
        ...(emailCustomization && { emailCustomization }),
      };
      const { otpId, otpEncryptionTargetBundle: targetBundle } = await this.#proxy.post(
        oneTry,
        'otp_init_v2',
        request,
        { browser },
      );
      this.#check.otpTarget(targetBundle);
      return { handle: otpId, targetBundle };
    });
  }

  async verifyOtp(call: Call, subject: Subject, sent: SentOtp, proof: OtpProof): Promise<Grant> {
    const oneTry = this.#try(call);
    return oneTry.run(() => verifyBy(this.#login, oneTry, call, turnkeySubject(subject), sent, proof));
  }

  readDeviceRequest(device: DeviceRequest, signing: DeviceSigning): NewAuthenticator[] {
    return readDeviceRequest(device, signing, this.parts.clock.nowMs());
  }

  async createAuthenticators(
    call: Call,
    _subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device?: DeviceRequest,
  ): Promise<string[] | null> {
    const oneTry = this.#try(call);
    return oneTry.run(() =>
      this.#passkeys.create(
        oneTry,
        call,
        grant,
        authenticators,
        device,
        ({ organizationId, publicKey, verificationToken }, clientSignature) => ({
          body: JSON.stringify({
            verificationToken: verificationToken.reveal(),
            publicKey,
            clientSignature,
            organizationId,
          }),
          send: async (body) => {
            const { session } = await this.#proxy.post(oneTry, 'otp_login_v2', body, {
              tokenOver: 'session_expired',
            });
            return session;
          },
        }),
      ),
    );
  }

  /** The proxy's public configuration, because the service has no key that a probe could test. */
  async probe(call: CallLimits): Promise<void> {
    const { organizationId } = await this.#proxy.post(this.#try(call), 'wallet_kit_config', {});
    if (organizationId.toLowerCase() === this.integration.organizationId) return;
    throw new UpstreamError('misconfigured', {
      detail: 'the config id belongs to another organization',
      evidence: { bytesSent: true, headersSeen: true, status: 200, durationMs: 0 },
    });
  }

  #try(call: CallLimits): OneTry {
    return new OneTry(call, this.parts.clock);
  }
}
