import type { Secret } from '#libs/kernel';

export type StepCall = 'init-otp' | 'verify-otp' | 'create-authenticators';
export type CallName = StepCall | 'probe';

/** The user of an onboarding, in the provider's own ids: JSON without secrets. */
export type Subject = Readonly<Record<string, unknown>>;

export interface ParsedSubject {
  subject: Subject;
  /** Equal subjects have equal keys. */
  key: string;
  /**
   * The members that identify a person, such as the contact. They are stored encrypted, and `key` then only
   * as a keyed hash.
   */
  personal: readonly string[];
}

/** An onboarding's options for codes, in the provider's form. They override the integration's defaults. */
export type OtpChoice = Readonly<Record<string, unknown>>;

export interface ParsedChoice {
  /** For every code of the onboarding. */
  choice: OtpChoice;
  /** Secrets for the first code only, such as a captcha token, by their names in {@link Call.kept}. */
  once: Readonly<Record<string, string>>;
}

/** The limits of one call. The HTTP client never repeats a call. */
export interface CallLimits {
  /** From DNS to the last byte of the answer. */
  timeoutMs: number;
  /** Called on an open connection, before the first byte is sent. If it throws, nothing is sent. */
  beforeSend(): void;
}

/** One attempt of a step. */
export interface Call extends CallLimits {
  /**
   * Stores a text encrypted, so that all attempts of a command send the same bytes. Some providers recognize
   * such a repeat.
   *
   * @param name identifies the text within the command
   * @throws UpstreamError `not_sent` if the row no longer contains this attempt
   */
  kept(name: string, make: () => string | Promise<string>): Promise<string>;
}

/** Only the provider's own client understands the handle. */
export interface SentOtp {
  handle: string;
  /** Contains the key to encrypt the code, if the provider accepts an encrypted code. Not a secret. */
  targetBundle?: string;
  /** How long the code is valid, if the provider says it. */
  lifeMs?: number;
}

export type OtpProof =
  { type: 'code'; code: Secret } | { type: 'encrypted-code'; encryptedOtpBundle: string };

/**
 * The proof that the code was correct: a session at the provider, a session whose key this service keeps, or
 * a token with which the user's device can open a session.
 */
export type Grant =
  | { type: 'upstream-session'; sessionId: Secret; expiresAt: Date }
  | { type: 'session-key'; organizationId: string; userId: string; privateKey: Secret; expiresAt: Date }
  | {
      type: 'device-key';
      organizationId: string;
      userId: string;
      /** The device's public key, compressed and in hex. */
      publicKey: string;
      verificationToken: Secret;
      /** The exact text that the device signs to open the session. */
      loginMessage: string;
      expiresAt: Date;
    };

/** For the user's device, to open the session and to sign the registration. Not a secret. */
export type DeviceSigning = Pick<
  Grant & { type: 'device-key' },
  'organizationId' | 'userId' | 'publicKey' | 'loginMessage'
>;

/** A registration that the user's device has signed. The service forwards it unchanged. */
export interface DeviceRequest {
  /** The signature of `DeviceSigning.loginMessage`: raw r‖s in hex. */
  clientSignature: string;
  /** The exact request body. */
  body: string;
  /** The header `X-Stamp` for this body. */
  stamp: string;
}

export type AuthenticatorTransport = 'ble' | 'hybrid' | 'internal' | 'nfc' | 'usb' | 'unknown';

/** A passkey to register. Binary values are base64url without padding, as in WebAuthn's JSON. */
export interface NewAuthenticator {
  name: string;
  challenge: string;
  credentialId: string;
  clientDataJson: string;
  attestationObject: string;
  transports: AuthenticatorTransport[];
}

export type Custody = 'provider' | 'server' | 'client';

/**
 * The client of one provider. A step returns only after a complete and well-formed 2xx answer. Otherwise it
 * throws an `UpstreamError`.
 */
export interface UpstreamProvider {
  readonly kind: string;
  /** Who holds the key of the user's session. */
  readonly custody: Custody;

  /**
   * @param value the member `subject` of the caller's request
   * @throws ProblemError `validation_failed` that points at the invalid member
   */
  parseSubject(value: unknown): ParsedSubject;

  /**
   * @param value the member `otp` of the caller's request
   * @throws ProblemError `validation_failed` that names the unsupported options
   */
  parseOtpChoice(value: unknown, subject: Subject): ParsedChoice;

  /** Step 1: the provider sends a code to the subject. */
  initOtp(call: Call, subject: Subject, choice: OtpChoice): Promise<SentOtp>;

  /** Step 2: exchanges the code for the proof that it was correct. */
  verifyOtp(call: Call, subject: Subject, sent: SentOtp, proof: OtpProof): Promise<Grant>;

  /**
   * Reads the passkeys from a request that the user's device has signed.
   *
   * @throws ProblemError `validation_failed` if the provider would refuse the request, for example because it
   *   is for another user or another device has signed it.
   */
  readDeviceRequest(device: DeviceRequest, signing: DeviceSigning): NewAuthenticator[];

  /**
   * Step 3: registers passkeys.
   *
   * @param device signed by the user's device, if the device holds the session's key.
   * @returns the provider's ids in the order of the passkeys, or null unless there is one id per passkey.
   * @throws UpstreamError `no_answer` if the answer contains no id, because it proves nothing.
   */
  createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device?: DeviceRequest,
  ): Promise<string[] | null>;

  /** Changes nothing. Succeeds if the provider works and accepts our key. */
  probe(call: CallLimits): Promise<void>;
}
