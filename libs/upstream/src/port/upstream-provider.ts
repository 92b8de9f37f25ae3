import type { Secret } from '#libs/kernel';

/** A step, as a call upstream. */
export type StepCall = 'init-otp' | 'verify-otp' | 'create-authenticators';
export type CallName = StepCall | 'probe';

/** The user of an onboarding, in the provider's own ids. JSON, without secrets. */
export type Subject = Readonly<Record<string, unknown>>;

/** A caller's subject, parsed. */
export interface ParsedSubject {
  subject: Subject;
  /** Equal for equal subjects. */
  key: string;
  /**
   * The members that identify a person, such as a contact: they are stored sealed, and the subject key as a
   * keyed hash.
   */
  personal: readonly string[];
}

/** Options that a start sets for its codes, in addition to the defaults. JSON, in the provider's form. */
export type OtpChoice = Readonly<Record<string, unknown>>;

/** The parsed options of a start. */
export interface ParsedChoice {
  /** Options for every code of the onboarding. */
  choice: OtpChoice;
  /** Options for the first send only, secret, kept under these names: see {@link Call.kept}. */
  once: Readonly<Record<string, string>>;
}

/** The client ends the call at the deadline, and never retries. */
export interface CallLimits {
  /** Limit of the whole call, from DNS to the last byte of the answer, in milliseconds. */
  timeoutMs: number;
  /** Runs on an open connection, just before the first byte is sent. If it throws, the call is not sent. */
  beforeSend(): void;
}

/** One try of a step. */
export interface Call extends CallLimits {
  /**
   * Keeps a text during all tries of a submission: the first call makes it and stores it sealed. So a retry
   * can send the same bytes, which some providers recognize as the same request.
   *
   * @param name identifies the text within the submission.
   * @throws UpstreamError `not_sent` if the row no longer contains this attempt.
   */
  kept(name: string, make: () => string | Promise<string>): Promise<string>;
}

/** A code on its way to the user. Only the provider's own code understands the handle. */
export interface SentOtp {
  handle: string;
  /** The keys to encrypt the code with, if the provider takes it encrypted. Not a secret. */
  targetBundle?: string;
  /** How long the code is valid, if upstream says that. */
  lifeMs?: number;
}

/** The user's code: in plain text, or encrypted by the user's device. */
export type OtpProof =
  { type: 'code'; code: Secret } | { type: 'encrypted-code'; encryptedOtpBundle: string };

/**
 * The proof that the code was correct: a session that upstream keeps, a session whose key the service keeps,
 * or a token whose key the user's device holds, to open the session with.
 */
export type Grant =
  | { type: 'upstream-session'; sessionId: Secret; expiresAt: Date }
  | { type: 'session-key'; organizationId: string; userId: string; privateKey: Secret; expiresAt: Date }
  | {
      type: 'device-key';
      organizationId: string;
      userId: string;
      /** The device's public key: compressed, hex. */
      publicKey: string;
      verificationToken: Secret;
      /** The exact text that the device signs to open the session. */
      loginMessage: string;
      expiresAt: Date;
    };

/** The data with which the user's device opens the session and signs step 3. Not a secret. */
export type DeviceSigning = Pick<
  Grant & { type: 'device-key' },
  'organizationId' | 'userId' | 'publicKey' | 'loginMessage'
>;

/** The request of step 3 that the user's device has signed. It is forwarded unchanged. */
export interface DeviceRequest {
  /** The signature over the grant's `loginMessage`: raw r‖s, hex. */
  clientSignature: string;
  /** The exact request body, JSON. */
  body: string;
  /** The value of `X-Stamp` for the body. */
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
 * The calls that onboarding makes to a provider, each one step. A verb returns only for a complete and
 * well-formed 2xx answer. Otherwise it throws an `UpstreamError`.
 */
export interface UpstreamProvider {
  readonly kind: string;
  /** Which party holds the key of the user's session: upstream, this service, or the user's device. */
  readonly custody: Custody;

  /**
   * @param value the caller's `subject`.
   * @throws ProblemError `validation_failed` that points at the wrong member.
   */
  parseSubject(value: unknown): ParsedSubject;

  /**
   * @param value the caller's `otp`. Undefined if the caller sent none.
   * @param subject as parsed.
   * @throws ProblemError `validation_failed` that names the unsupported options.
   */
  parseOtpChoice(value: unknown, subject: Subject): ParsedChoice;

  /** Step 1: makes the provider send a code to the subject. */
  initOtp(call: Call, subject: Subject, choice: OtpChoice): Promise<SentOtp>;

  /** Step 2: exchanges the code for a grant. */
  verifyOtp(call: Call, subject: Subject, sent: SentOtp, proof: OtpProof): Promise<Grant>;

  /**
   * @returns the passkeys that a device's request would register in step 3.
   * @throws ProblemError `validation_failed` or `illegal_state` if upstream would refuse the request in this
   * session: another user, or not the device's own body or signature.
   */
  readDeviceRequest(device: DeviceRequest, signing: DeviceSigning): NewAuthenticator[];

  /**
   * Step 3: registers passkeys.
   * @param device the request that the user's device has signed. It is given only if the device holds the
   *   grant's key.
   * @returns the provider's ids in the order of the passkeys. Null if the number of ids differs.
   * @throws UpstreamError `no_answer` if the answer contains no id, because that proves nothing.
   */
  createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device?: DeviceRequest,
  ): Promise<string[] | null>;

  /** A call that changes nothing. It succeeds if our key and the upstream work. */
  probe(call: CallLimits): Promise<void>;
}
