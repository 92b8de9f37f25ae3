import type { z } from 'zod';
import type { Outcome } from '../outcome.js';
import type * as dto from './auth-proxy.dto.js';
import type { LoginOperations } from './login-operations.js';
import { channelOf, normalContact } from './organizations.js';
import type { TurnkeyOrganization } from './organizations.js';
import type { OtpOperations } from './otp-operations.js';
import { refusals } from './refusals.js';
import type { SignUpOperations } from './sign-up-operations.js';
import { findSubOrganizations } from './sub-organization-filters.js';
import type { TurnkeyState } from './turnkey-state.js';

/** Cloudflare's public test key: the widget with this key always passes, on any host. */
const TURNSTILE_TEST_KEY = '1x00000000000000000000AA';

/** Turnkey's customers make these settings in the dashboard. */
export interface AuthProxyConfig {
  configId: string;
  /** Compared exactly. A list refuses requests without `Origin`. Null allows any request. */
  allowedOrigins: readonly string[] | null;
  /**
   * Whether `otp_init*`, and `signup*` without a verification token, need a captcha token. Any text passes.
   */
  captcha: boolean;
  accountNeedsToken: boolean;
  appName: string;
  otpLength: number;
  otpAlphanumeric: boolean;
  otpLifeMs: number;
  tokenLifeMs: number;
  sessionLifeMs: number;
}

/** Answers are not activities, requests are not signed, and a repeated request runs again. */
export class AuthProxy {
  constructor(
    readonly config: AuthProxyConfig,
    private readonly state: TurnkeyState,
    private readonly otp: OtpOperations,
    private readonly login: LoginOperations,
    private readonly signUps: SignUpOperations,
  ) {}

  init(
    { otpType, contact, emailCustomization }: z.output<typeof dto.proxyInit>,
    encrypted: boolean,
  ): Outcome<object> {
    const { appName, otpLength: length, otpAlphanumeric: alphanumeric, otpLifeMs: lifeMs } = this.config;
    const { answer, effect } = this.otp.init({
      organizationId: this.#parentId,
      otpType,
      contact,
      length,
      alphanumeric,
      lifeMs,
      encrypted,
      userIdentifier: null,
      message: { appName, ...(emailCustomization && { emailCustomization }) },
    });
    return { answer: encrypted ? answer : { otpId: answer.otpId }, effect };
  }

  verifyPlain({ otpId, otpCode, publicKey }: z.output<typeof dto.proxyVerifyPlain>): Outcome<object> {
    return this.otp.verifyPlain(this.#tokenOrder(otpId), otpCode, publicKey ?? null);
  }

  verify({ otpId, encryptedOtpBundle }: z.output<typeof dto.proxyVerify>): Promise<Outcome<object>> {
    return this.otp.verifyEncrypted(this.#tokenOrder(otpId), encryptedOtpBundle);
  }

  logIn(body: z.output<typeof dto.proxyLoginPlain>, encryptedOnly: boolean): Outcome<object> {
    const { organizationId, ...rest } = body;
    const organization =
      organizationId === undefined ? null : this.state.organizations.require(organizationId);
    return this.login.byToken({ ...rest, organization, lifeMs: this.config.sessionLifeMs, encryptedOnly });
  }

  signUp(body: z.output<typeof dto.signUp>, encryptedOnly: boolean): Outcome<object> {
    const {
      userEmail,
      userPhoneNumber,
      userName,
      organizationName,
      apiKeys,
      authenticators,
      oauthProviders,
    } = body;
    const name = userName ?? userEmail ?? userPhoneNumber ?? 'user';
    const user = {
      userName: name,
      ...(userEmail !== undefined && { userEmail }),
      ...(userPhoneNumber !== undefined && { userPhoneNumber }),
      apiKeys,
      authenticators,
      oauthProviders,
    };
    const { answer, effect } = this.signUps.signUp({
      name: organizationName ?? name,
      rootUsers: [user],
      verificationToken: body.verificationToken,
      clientSignature: body.clientSignature,
      wallet: body.wallet,
      encryptedOnly,
    });
    const { organizationId, userIds, wallet } = answer;
    return { answer: { organizationId, userId: userIds[0], ...(wallet && { wallet }) }, effect };
  }

  /** @returns an empty object if no account is found */
  account(body: z.output<typeof dto.account>): { organizationId?: string } {
    const found = this.#find(body);
    return found ? { organizationId: found.organizationId } : {};
  }

  walletKitConfig(): object {
    const { sessionLifeMs, otpLength, otpAlphanumeric } = this.config;
    return {
      organizationId: this.#parentId,
      enabledProviders: ['email', 'sms', 'passkey'],
      sessionExpirationSeconds: String(sessionLifeMs / 1000),
      otpLength: String(otpLength),
      otpAlphanumeric,
    };
  }

  /** @returns an empty object if no captcha is required */
  walletKitClientParams(): { turnstileSiteKey?: string } {
    return this.config.captcha ? { turnstileSiteKey: TURNSTILE_TEST_KEY } : {};
  }

  #find({
    filterType,
    filterValue,
    verificationToken,
  }: z.output<typeof dto.account>): TurnkeyOrganization | undefined {
    if (filterType !== 'EMAIL' && filterType !== 'PHONE_NUMBER') {
      return findSubOrganizations(this.state, filterType, filterValue)[0];
    }
    const { organizations, tokens } = this.state;
    const token = verificationToken === undefined ? null : tokens.require(verificationToken);
    if (!token && this.config.accountNeedsToken) throw refusals.tokenInvalid();
    if (token && normalContact(token.contact) !== normalContact(filterValue))
      throw refusals.contactMismatch();
    const channel = filterType === 'EMAIL' ? 'email' : 'sms';
    return channelOf(filterValue) === channel
      ? organizations.owners(filterValue)[0]?.organization
      : undefined;
  }

  get #parentId(): string {
    return this.state.organizations.parent.organizationId;
  }

  #tokenOrder(otpId: string) {
    return { organizationId: this.#parentId, otpId, lifeMs: this.config.tokenLifeMs };
  }
}
