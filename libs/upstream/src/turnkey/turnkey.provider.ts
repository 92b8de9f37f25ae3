import { z } from 'zod';
import { turnkeyVerifier } from '#libs/signing';
import type { ProviderParts } from '../define-provider.js';
import { opaqueId, opaqueText } from '../transport/opaque.js';
import type { SigningKeys } from '../transport/signing-keys.js';
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
import { readDeviceRequest } from './device-request.js';
import { initOtpRequest, mustFit } from './init-otp-request.js';
import { OneTry } from '../transport/one-try.js';
import {
  checkedDefaults,
  parseInitOtpChoice,
  parseInitOtpDefaults,
  type InitOtpChoice,
} from './otp-choice.js';
import { PasskeySteps } from './passkey-steps.js';
import { parentStamper } from './session-keys.js';
import type { TurnkeyIntegration } from './settings.js';
import { TokenCheck } from './token-check.js';
import { TurnkeyApi, type Stamper } from './turnkey-api.js';
import { TurnkeyLogin } from './turnkey-login.js';
import { parseTurnkeySubject, turnkeySubject } from './turnkey-subject.js';
import { verifyBy } from './verification.js';

const sent = z.object({ otpId: opaqueId });
const sentWithBundle = sent.extend({ otpEncryptionTargetBundle: opaqueText });
const whoami = z.object({ organizationId: z.string() });

/**
 * A client for Turnkey's public API with the parent organization's key. Turnkey recognizes a repeated request
 * by its bytes, so the service stores the bytes before it sends them.
 */
export class TurnkeyProvider implements UpstreamProvider {
  readonly kind = 'turnkey';
  readonly custody;
  readonly #api: TurnkeyApi;
  readonly #parent: Stamper;
  readonly #check: TokenCheck;
  readonly #login: TurnkeyLogin;
  readonly #passkeys: PasskeySteps;
  readonly #otpDefaults: InitOtpChoice;

  constructor(
    private readonly integration: TurnkeyIntegration,
    keys: SigningKeys,
    private readonly parts: ProviderParts,
  ) {
    const { name, custody, organizationId: parentId, sessionLifeS, otpDefaults } = integration;
    const { http, clock, skew } = parts;
    this.custody = custody;
    this.#otpDefaults = checkedDefaults(name, parseInitOtpDefaults, otpDefaults);
    this.#api = new TurnkeyApi(integration, http, clock, skew);
    this.#parent = parentStamper(keys);
    this.#check = new TokenCheck(turnkeyVerifier(integration), () => clock.nowMs());
    this.#login = new TurnkeyLogin(this.#api, this.#check, {
      parentId,
      parent: this.#parent,
      sessionLifeS,
    });
    this.#passkeys = new PasskeySteps(this.#api, this.#parent, this.#check);
  }

  parseSubject(value: unknown): ParsedSubject {
    return parseTurnkeySubject(value, this.custody, this.integration.organizationId);
  }

  parseOtpChoice(value: unknown, subject: Subject): ParsedChoice {
    const choice = parseInitOtpChoice(value);
    mustFit(choice, turnkeySubject(subject).contact);
    return { choice, once: {} };
  }

  async initOtp(call: Call, subject: Subject, choice: OtpChoice): Promise<SentOtp> {
    const { initOtp: version, appName, organizationId } = this.integration;
    const { type, parameters, lifeMs } = initOtpRequest(
      version,
      appName,
      turnkeySubject(subject),
      this.#otpDefaults,
      choice,
    );
    const oneTry = this.#try(call);
    return oneTry.run(async () => {
      const body = await call.kept('init-otp', () => this.#api.activity(type, organizationId, parameters));
      const submission = {
        path: 'init_otp',
        body,
        stamper: this.#parent,
        reader: this.#parent,
        result: 'initOtpResult',
        organization: 'parent',
      } as const;
      // The configuration may change between two tries, so the stored body determines the version.
      if (isFirstVersion(body)) {
        const { otpId } = await this.#api.submit(oneTry, { ...submission, schema: sent });
        return { handle: otpId, lifeMs };
      }
      const result = await this.#api.submit(oneTry, { ...submission, schema: sentWithBundle });
      this.#check.otpTarget(result.otpEncryptionTargetBundle);
      return { handle: result.otpId, targetBundle: result.otpEncryptionTargetBundle, lifeMs };
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
          body: this.#login.loginBody(
            'OTP_LOGIN_V2',
            organizationId,
            verificationToken.reveal(),
            publicKey,
            clientSignature,
          ),
          send: (body) => this.#login.logIn(oneTry, body, 'session_expired'),
        }),
      ),
    );
  }

  async probe(call: CallLimits): Promise<void> {
    const { organizationId } = this.integration;
    await this.#api.query(this.#try(call), {
      path: 'whoami',
      parameters: { organizationId },
      stamper: this.#parent,
      schema: whoami,
      organization: 'parent',
    });
  }

  #try(call: CallLimits): OneTry {
    return new OneTry(call, this.parts.clock);
  }
}

const isFirstVersion = (body: string) =>
  (JSON.parse(body) as { type: string }).type === 'ACTIVITY_TYPE_INIT_OTP';
