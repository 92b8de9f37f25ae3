import { randomUUID } from 'node:crypto';
import type { Mailbox } from '../control/mailbox.js';
import { generateP256 } from '../p256.js';
import type { SandboxClock } from '../sandbox-clock.js';
import type { RelyingParty } from '../webauthn/attestation.js';
import { activityKinds } from './activity-kinds.js';
import { AuthProxy } from './auth-proxy.js';
import { enclaveKeys } from './enclave-keys.js';
import { LoginOperations } from './login-operations.js';
import type { NewTurnkeySubject, TurnkeySubject } from './organizations.js';
import { OtpOperations } from './otp-operations.js';
import { PasskeyOperations } from './passkey-operations.js';
import { PublicApi } from './public-api.js';
import { Queries } from './queries.js';
import { SignUpOperations } from './sign-up-operations.js';
import { TurnkeyState } from './turnkey-state.js';

/** Missing ids and keys are generated. All hex values are without 0x. */
export interface TurnkeyOptions {
  /** The parent organization, a UUID. */
  organizationId?: string | undefined;
  /** The parent's API keys, compressed P-256 points; default a new key pair. */
  apiPublicKeys?: readonly string[] | undefined;
  /** Replace the keys of Turnkey's enclaves: scalars of 64 hex digits each. */
  signerPrivateKey?: string | undefined;
  notarizerPrivateKey?: string | undefined;
  authProxyConfigId?: string | undefined;
  /**
   * Origins that the Auth Proxy accepts. With a list, it refuses a request without `Origin`. Default: any.
   */
  allowedOrigins?: readonly string[] | undefined;
  /** Whether the Auth Proxy requires `X-Captcha-Token` where Turnkey can require it. */
  captcha?: boolean | undefined;
  /** Whether a lookup of an account by contact requires a verification token. */
  accountNeedsToken?: boolean | undefined;
  /** The Auth Proxy's codes; default 9 characters, with letters. */
  otpLength?: number | undefined;
  otpAlphanumeric?: boolean | undefined;
  /** The Auth Proxy's codes, tokens and sessions; default 5 minutes, 1 hour, 15 minutes. */
  otpLifeMs?: number | undefined;
  tokenLifeMs?: number | undefined;
  sessionLifeMs?: number | undefined;
}

/** The configuration for a client of the emulated Turnkey. */
export interface TurnkeyFacts {
  organizationId: string;
  /** The parent's first API key, in compressed hex. */
  apiPublicKey: string;
  /** The official clients' `dangerouslyOverrideSignerPublicKey`, uncompressed hex. */
  signerPublicKey: string;
  /** The official clients' `dangerouslyOverrideNotarizerPublicKey`, uncompressed hex. */
  notarizerPublicKey: string;
  authProxyConfigId: string;
}

export interface TurnkeySurroundings {
  acceptAnySubject: boolean;
  relyingParty: RelyingParty;
  clock: SandboxClock;
  mailbox: Mailbox;
}

/** The emulated Turnkey: two APIs with one state. */
export class Turnkey {
  readonly facts: TurnkeyFacts;
  /** The parent's new private key; null if API keys were given. */
  readonly apiPrivateKeyHex: string | null;
  readonly state: TurnkeyState;
  readonly publicApi: PublicApi;
  readonly queries: Queries;
  readonly authProxy: AuthProxy;

  constructor(
    options: TurnkeyOptions,
    { acceptAnySubject, relyingParty, clock, mailbox }: TurnkeySurroundings,
  ) {
    const fresh = options.apiPublicKeys?.length ? null : generateP256();
    const apiPublicKeys = fresh ? [fresh.compressed] : (options.apiPublicKeys ?? []);
    const keys = enclaveKeys({ signer: options.signerPrivateKey, notarizer: options.notarizerPrivateKey });
    const organizationId = (options.organizationId ?? randomUUID()).toLowerCase();
    const authProxyConfigId = options.authProxyConfigId ?? randomUUID();
    this.apiPrivateKeyHex = fresh?.privateKeyHex ?? null;
    this.facts = {
      organizationId,
      apiPublicKey: apiPublicKeys[0] ?? '',
      signerPublicKey: keys.signer.uncompressed,
      notarizerPublicKey: keys.notarizer.uncompressed,
      authProxyConfigId,
    };

    const parent = { organizationId, apiPublicKeys };
    this.state = new TurnkeyState(parent, acceptAnySubject, relyingParty, keys, clock, mailbox);
    const otp = new OtpOperations(this.state);
    const login = new LoginOperations(this.state);
    const passkeys = new PasskeyOperations(this.state);
    const signUp = new SignUpOperations(this.state, passkeys);
    const kinds = activityKinds({ organizations: this.state.organizations, otp, login, passkeys, signUp });
    this.publicApi = new PublicApi(this.state, kinds);
    this.queries = new Queries(this.state, this.publicApi);
    const config = {
      configId: authProxyConfigId,
      allowedOrigins: options.allowedOrigins ?? null,
      captcha: options.captcha ?? false,
      accountNeedsToken: options.accountNeedsToken ?? false,
      appName: 'Sandbox',
      otpLength: options.otpLength ?? 9,
      otpAlphanumeric: options.otpAlphanumeric ?? true,
      otpLifeMs: options.otpLifeMs ?? 5 * 60_000,
      tokenLifeMs: options.tokenLifeMs ?? 60 * 60_000,
      sessionLifeMs: options.sessionLifeMs ?? 15 * 60_000,
    };
    this.authProxy = new AuthProxy(config, this.state, otp, login, signUp);
  }

  addSubject({ organizationId, userId, contact }: NewTurnkeySubject): TurnkeySubject {
    const subject = {
      organizationId: (organizationId ?? randomUUID()).toLowerCase(),
      userId: (userId ?? randomUUID()).toLowerCase(),
      contact,
    };
    this.state.organizations.addSubject(subject);
    return subject;
  }

  reset(): void {
    this.state.reset();
    this.publicApi.reset();
  }
}
