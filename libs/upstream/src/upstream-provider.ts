import type { Secret } from '#libs/kernel';

/** The kinds of upstream. */
export type ProviderKind = 'byzantine' | 'turnkey' | 'turnkey-auth-proxy';

/** Whom an onboarding is for, in the provider's own ids. */
export type Subject = Readonly<Record<string, string>>;

/** One call's terms. The client gives up at the deadline and never retries. */
export interface Call {
  /** For the whole call, from DNS to the last byte of the answer, in milliseconds. */
  timeoutMs: number;
  /** Runs when a connection is there, just before the first byte leaves; what it throws stops the call unsent. */
  beforeSend(): void;
}

/** A code that is on its way to the user. The handle is the provider's own and opaque to everybody else. */
export interface SentOtp {
  handle: string;
  /** How long upstream says that the code lives, where it says so. */
  lifeMs?: number;
}

/** What the user's code became on its way here: the code itself, or already encrypted for the provider. */
export type OtpProof =
  | { type: 'code'; code: Secret }
  | { type: 'encrypted-code'; encryptedOtpBundle: string; clientSignature: string };

/** The proof that the code was right: a session that upstream keeps, or a token and a key that we keep. */
export type Grant =
  | { type: 'upstream-session'; sessionId: Secret; expiresAt: Date }
  | { type: 'session-key'; organizationId: string; userId: string; privateKey: Secret; expiresAt: Date };

export const AUTHENTICATOR_TRANSPORTS = ['ble', 'hybrid', 'internal', 'nfc', 'usb', 'unknown'] as const;
export type AuthenticatorTransport = (typeof AUTHENTICATOR_TRANSPORTS)[number];

/** A passkey to register. Every binary value is unpadded base64url, as WebAuthn's JSON has it. */
export interface NewAuthenticator {
  name: string;
  challenge: string;
  credentialId: string;
  clientDataJson: string;
  attestationObject: string;
  transports: AuthenticatorTransport[];
}

/**
 * The port: what onboarding asks of a provider, in onboarding's words. Each verb is one step of the way;
 * it resolves only on a whole and well-shaped 2xx and throws an `UpstreamError` otherwise.
 */
export interface UpstreamProvider {
  readonly kind: ProviderKind;

  /**
   * @param value the caller's `subject`.
   * @returns the subject, and a key that is equal for equal subjects.
   * @throws ProblemError `validation_failed` that points at the wrong member.
   */
  parseSubject(value: unknown): { subject: Subject; key: string };

  /** Step 1: has a code sent to the subject. */
  initOtp(call: Call, subject: Subject): Promise<SentOtp>;

  /** Step 2: exchanges the code for a grant. */
  verifyOtp(call: Call, subject: Subject, handle: string, proof: OtpProof): Promise<Grant>;

  /**
   * Step 3: registers passkeys.
   * @returns the provider's ids in the order sent, or null where it answered another number of them.
   */
  createAuthenticators(
    call: Call,
    subject: Subject,
    grant: Grant,
    authenticators: readonly NewAuthenticator[],
  ): Promise<string[] | null>;

  /** A signed call that changes nothing: succeeds when our key and the upstream are in order. */
  probe(call: Call): Promise<void>;
}
