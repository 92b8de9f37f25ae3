import type { Secret } from '#libs/kernel';

/** A step, as a call upstream. */
export type StepCall = 'init-otp' | 'verify-otp' | 'create-authenticators';
export type CallName = StepCall | 'probe';

/** Whom an onboarding is for, in the provider's own ids. JSON, free of secrets. */
export type Subject = Readonly<Record<string, unknown>>;

/** A caller's subject, taken apart. */
export interface ParsedSubject {
  subject: Subject;
  /** Equal for equal subjects. */
  key: string;
  /**
   * The members of the subject that say who somebody is to people, and not to the provider alone. Where there are any,
   * the key says it too: they are kept sealed, and the key as a keyed hash.
   */
  personal: readonly string[];
}

/** What a start asks of its code beyond the integration's defaults, in the provider's own words. JSON. */
export type OtpChoice = Readonly<Record<string, unknown>>;

/** A start's choice, taken apart. */
export interface ParsedChoice {
  /** Holds for every code of the onboarding. */
  choice: OtpChoice;
  /** Good for the first send only, and a secret until then: kept for it under these names, see {@link Call.kept}. */
  once: Readonly<Record<string, string>>;
}

/** A call's limits. The client gives up at the deadline and never retries. */
export interface CallLimits {
  /** For the whole call, from DNS to the last byte of the answer, in milliseconds. */
  timeoutMs: number;
  /** Runs when a connection is there, just before the first byte leaves; what it throws stops the call unsent. */
  beforeSend(): void;
}

/** One try of a step. */
export interface Call extends CallLimits {
  /**
   * Keeps a text for as long as a submission is tried: made the first time, stored sealed before it is returned, and
   * the same from then on. So a repeat can be the same bytes, where upstream takes these for the same request.
   *
   * @param name of the text within the submission.
   * @throws UpstreamError `not_sent` where the attempt is no longer the row's.
   */
  kept(name: string, make: () => string | Promise<string>): Promise<string>;
}

/** A code that is on its way to the user. The handle is the provider's own and opaque to everybody else. */
export interface SentOtp {
  handle: string;
  /** What the code must be encrypted for, where the provider takes it encrypted. No secret. */
  targetBundle?: string;
  /** How long upstream says that the code lives, where it says so. */
  lifeMs?: number;
}

/** What the user's code became on its way here: the code itself, or encrypted by the user's device. */
export type OtpProof =
  { type: 'code'; code: Secret } | { type: 'encrypted-code'; encryptedOtpBundle: string };

/**
 * The proof that the code was right: a session that upstream keeps, a session whose key we keep, or a token whose
 * key the user's device keeps and opens the session with.
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
      /** What the device signs to open the session, as it must be signed. */
      loginMessage: string;
      expiresAt: Date;
    };

/** What the user's device needs in order to open the session and to sign step 3 in it. No secret. */
export type DeviceSigning = Pick<
  Grant & { type: 'device-key' },
  'organizationId' | 'userId' | 'publicKey' | 'loginMessage'
>;

/** Step 3 as the user's device has signed it, to be forwarded byte for byte. */
export interface DeviceRequest {
  /** Over the grant's `loginMessage`: raw r‖s, hex. */
  clientSignature: string;
  /** The exact request body, JSON. */
  body: string;
  /** The value of `X-Stamp` for it. */
  stamp: string;
}

export type AuthenticatorTransport = 'ble' | 'hybrid' | 'internal' | 'nfc' | 'usb' | 'unknown';

/** A passkey to register. Every binary value is unpadded base64url, as WebAuthn's JSON has it. */
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
 * The port: what onboarding asks of a provider, in onboarding's words. Each verb is one step of the way;
 * it resolves only on a whole and well-shaped 2xx and throws an `UpstreamError` otherwise.
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
   * @param contact an e-mail address or a phone number, as somebody types it.
   * @returns the key of its subject; null where it is neither, or the provider does not know subjects by contact.
   */
  keyOfContact(contact: string): string | null;

  /**
   * @param value the caller's `otp`, undefined where it gave none.
   * @param subject as parsed.
   * @throws ProblemError `validation_failed` that names what the provider cannot do, or not so.
   */
  parseOtpChoice(value: unknown, subject: Subject): ParsedChoice;

  /** Step 1: has a code sent to the subject. */
  initOtp(call: Call, subject: Subject, choice: OtpChoice): Promise<SentOtp>;

  /** Step 2: exchanges the code for a grant. */
  verifyOtp(call: Call, subject: Subject, sent: SentOtp, proof: OtpProof): Promise<Grant>;

  /**
   * @returns the passkeys that a device's request for step 3 registers.
   * @throws ProblemError `validation_failed` or `illegal_state` where it is not a request that upstream would take for
   *   this session: another user, a body or a signature that is not the device's.
   */
  readDeviceRequest(device: DeviceRequest, signing: DeviceSigning): NewAuthenticator[];

  /**
   * Step 3: registers passkeys.
   * @param device what the user's device has signed; only with a grant whose key it holds.
   * @returns the provider's ids in the order sent, or null where it answered another number of them.
   * @throws UpstreamError `no_answer` where it named none: that proves nothing.
   */
  createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
    device?: DeviceRequest,
  ): Promise<string[] | null>;

  /** A signed call that changes nothing: succeeds when our key and the upstream are in order. */
  probe(call: CallLimits): Promise<void>;
}
