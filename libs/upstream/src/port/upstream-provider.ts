import type { Secret } from '#libs/kernel';

export type StepCall = 'init-otp' | 'verify-otp' | 'create-authenticators';
export type CallName = StepCall | 'probe';

/** The user of an onboarding, in the provider's own ids. It is JSON without secrets. */
export type Subject = Readonly<Record<string, unknown>>;

export interface ParsedSubject {
  subject: Subject;
  /** Identifies the subject: equal subjects have equal keys. */
  key: string;
  /**
   * The members that identify a person, such as the contact. If there are any, they are stored encrypted, and
   * `key` is stored only as a keyed hash.
   */
  personal: readonly string[];
}

/**
 * The options for codes in the request that starts an onboarding: JSON in the provider's form. They override
 * the integration's defaults.
 */
export type OtpChoice = Readonly<Record<string, unknown>>;

export interface ParsedChoice {
  /** Options for every code of the onboarding. */
  choice: OtpChoice;
  /**
   * Secret options for the first code only, such as a captcha token, by their names in {@link Call.kept}.
   */
  once: Readonly<Record<string, string>>;
}

/** The limits of one call. At its deadline, a call fails. The HTTP client never repeats a call. */
export interface CallLimits {
  /** The longest duration of the whole call in ms, from DNS to the last byte of the answer. */
  timeoutMs: number;
  /** Called on an open connection, just before the first byte is sent. If it throws, nothing is sent. */
  beforeSend(): void;
}

/** One attempt of a step. */
export interface Call extends CallLimits {
  /**
   * Keeps a text for all attempts of a command. The first attempt makes the text and stores it encrypted.
   * Later attempts can therefore send the same bytes, which some providers recognize as the same request.
   *
   * @param name identifies the text within the command.
   * @throws UpstreamError `not_sent` if the row no longer contains this attempt.
   */
  kept(name: string, make: () => string | Promise<string>): Promise<string>;
}

/** A code that the provider has sent. Only the provider's own client understands the handle. */
export interface SentOtp {
  handle: string;
  /** Contains the public key to encrypt the code, if the provider accepts an encrypted code. Not a secret. */
  targetBundle?: string;
  /** How long the code is valid in ms, if the provider says it. */
  lifeMs?: number;
}

/** The user's code, in plain text or encrypted by the user's device. */
export type OtpProof =
  { type: 'code'; code: Secret } | { type: 'encrypted-code'; encryptedOtpBundle: string };

/**
 * The proof that the code was correct. It is a session that the provider keeps, a session whose key this
 * service keeps, or a token with which the user's device can open a session.
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

/**
 * What the user's device needs to open the session and to sign the registration of passkeys. Not a secret.
 */
export type DeviceSigning = Pick<
  Grant & { type: 'device-key' },
  'organizationId' | 'userId' | 'publicKey' | 'loginMessage'
>;

/** The registration request that the user's device has signed. The service forwards it unchanged. */
export interface DeviceRequest {
  /** The signature of `DeviceSigning.loginMessage`: raw r‖s in hex. */
  clientSignature: string;
  /** The exact request body, which is JSON. */
  body: string;
  /** The value of the header `X-Stamp` for this body. */
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
 * The client of one provider. Each method for a step returns only after a complete and well-formed 2xx
 * answer. Otherwise it throws an `UpstreamError`.
 */
export interface UpstreamProvider {
  readonly kind: string;
  /** Who holds the key of the user's session: the provider, this service, or the user's device. */
  readonly custody: Custody;

  /**
   * @param value the member `subject` of the caller's request.
   * @throws ProblemError `validation_failed` that points at the invalid member.
   */
  parseSubject(value: unknown): ParsedSubject;

  /**
   * @param value the member `otp` of the caller's request; undefined if absent.
   * @param subject the subject after validation.
   * @throws ProblemError `validation_failed` that names the unsupported options.
   */
  parseOtpChoice(value: unknown, subject: Subject): ParsedChoice;

  /** Step 1: the provider sends a code to the subject. */
  initOtp(call: Call, subject: Subject, choice: OtpChoice): Promise<SentOtp>;

  /** Step 2: exchanges the code for the proof that it was correct. */
  verifyOtp(call: Call, subject: Subject, sent: SentOtp, proof: OtpProof): Promise<Grant>;

  /**
   * Reads the passkeys from a request that the user's device has signed.
   *
   * @throws ProblemError `validation_failed` if the provider would refuse the request in this session, for
   *   example because it is for another user, or because this device has not signed it.
   */
  readDeviceRequest(device: DeviceRequest, signing: DeviceSigning): NewAuthenticator[];

  /**
   * Step 3: registers passkeys.
   *
   * @param device the request that the user's device has signed. It is present only if the device holds the
   *   session's key.
   * @returns the provider's ids in the order of the passkeys, or null unless there is one id per passkey.
   * @throws UpstreamError `no_answer` if the answer contains no id, because such an answer proves nothing.
   */
  createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device?: DeviceRequest,
  ): Promise<string[] | null>;

  /** A call that changes nothing. It succeeds if the provider works and accepts our key. */
  probe(call: CallLimits): Promise<void>;
}
