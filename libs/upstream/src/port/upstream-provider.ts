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
   * The members of the subject that identify a person, such as a contact. They are stored sealed. If there
   * are any, the key also identifies the person, and is stored as a keyed hash.
   */
  personal: readonly string[];
}

/** What a start chooses for its code beyond the integration's defaults, in the provider's own words. JSON. */
export type OtpChoice = Readonly<Record<string, unknown>>;

/** A start's choice, parsed. */
export interface ParsedChoice {
  /** Applies to every code of the onboarding. */
  choice: OtpChoice;
  /** Only for the first send, and secret until then. It is kept under these names, see {@link Call.kept}. */
  once: Readonly<Record<string, string>>;
}

/** The limits of a call. The client gives up at the deadline and never retries. */
export interface CallLimits {
  /** For the whole call, from DNS to the last byte of the answer, in milliseconds. */
  timeoutMs: number;
  /** Runs on an open connection, just before the first byte leaves. If it throws, the call is not sent. */
  beforeSend(): void;
}

/** One try of a step. */
export interface Call extends CallLimits {
  /**
   * Keeps a text for as long as a submission is tried. The first call makes it and stores it sealed; later
   * calls return the same text. So a retry can send the same bytes, if upstream takes these for the same
   * request.
   *
   * @param name of the text within the submission.
   * @throws UpstreamError `not_sent` if the row no longer has this attempt.
   */
  kept(name: string, make: () => string | Promise<string>): Promise<string>;
}

/** A code on its way to the user. The handle is the provider's own, and opaque to all other code. */
export interface SentOtp {
  handle: string;
  /** The key bundle that the code must be encrypted for, if the provider takes it encrypted. Not a secret. */
  targetBundle?: string;
  /** How long the code is valid, if upstream says so. */
  lifeMs?: number;
}

/** The user's code: in plain text, or encrypted by the user's device. */
export type OtpProof =
  { type: 'code'; code: Secret } | { type: 'encrypted-code'; encryptedOtpBundle: string };

/**
 * The proof that the code was right: a session that upstream keeps, a session whose key we keep, or a
 * token. The user's device holds the key of the token and opens the session with it.
 */
export type Grant =
  | { type: 'upstream-session'; sessionId: Secret; expiresAt: Date }
  | { type: 'session-key'; organizationId: string; userId: string; privateKey: Secret; expiresAt: Date }
  | {
      type: 'device-key';
      organizationId: string;
      userId: string;
      /** Of the device: compressed, hex. */
      publicKey: string;
      verificationToken: Secret;
      /** The exact text that the device signs to open the session. */
      loginMessage: string;
      expiresAt: Date;
    };

/** What the user's device needs to open the session and to sign step 3 in it. Not a secret. */
export type DeviceSigning = Pick<
  Grant & { type: 'device-key' },
  'organizationId' | 'userId' | 'publicKey' | 'loginMessage'
>;

/** Step 3 as the user's device has signed it. It is forwarded byte for byte. */
export interface DeviceRequest {
  /** Over the grant's `loginMessage`: raw r‖s, hex. */
  clientSignature: string;
  /** The exact request body, JSON. */
  body: string;
  /** The value of `X-Stamp` for it. */
  stamp: string;
}

export type AuthenticatorTransport = 'ble' | 'hybrid' | 'internal' | 'nfc' | 'usb' | 'unknown';

/** A passkey to register. Every binary value is unpadded base64url, as in WebAuthn's JSON. */
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
 * The port: what onboarding asks of a provider, in onboarding's words. Each verb is one step. It resolves
 * only on a complete and well-formed 2xx, and otherwise throws an `UpstreamError`.
 */
export interface UpstreamProvider {
  readonly kind: string;
  /** Who holds the key of the user's session: upstream, this service, or the user's device. */
  readonly custody: Custody;

  /**
   * @param value the caller's `subject`.
   * @throws ProblemError `validation_failed` that points at the wrong member.
   */
  parseSubject(value: unknown): ParsedSubject;

  /**
   * @param contact an e-mail address or a phone number, as a person types it.
   * @returns the key of its subject. Null if it is neither, or if the provider does not find subjects by
   *   contact.
   */
  keyOfContact(contact: string): string | null;

  /**
   * @param value the caller's `otp`, undefined if there was none.
   * @param subject as parsed.
   * @throws ProblemError `validation_failed` that names what the provider does not support.
   */
  parseOtpChoice(value: unknown, subject: Subject): ParsedChoice;

  /** Step 1: makes the provider send a code to the subject. */
  initOtp(call: Call, subject: Subject, choice: OtpChoice): Promise<SentOtp>;

  /** Step 2: exchanges the code for a grant. */
  verifyOtp(call: Call, subject: Subject, sent: SentOtp, proof: OtpProof): Promise<Grant>;

  /**
   * @returns the passkeys that a device's request for step 3 registers.
   * @throws ProblemError `validation_failed` or `illegal_state` if upstream would refuse the request in
   *   this session: it names another user, or its body or signature is not the device's.
   */
  readDeviceRequest(device: DeviceRequest, signing: DeviceSigning): NewAuthenticator[];

  /**
   * Step 3: registers passkeys.
   * @param device the request that the user's device has signed. Only with a grant whose key the device
   *   holds.
   * @returns the provider's ids in the order sent, or null if their number differs.
   * @throws UpstreamError `no_answer` if the answer names none, because that proves nothing.
   */
  createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device?: DeviceRequest,
  ): Promise<string[] | null>;

  /** A call that changes nothing. It succeeds if our access and the upstream are in order. */
  probe(call: CallLimits): Promise<void>;
}
