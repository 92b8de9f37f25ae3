import type { Signal, State, StepName } from '#libs/onboarding';

/** What is known of a run when it is over, from four sides that do not copy from each other. Instants are ms. */
export interface History {
  onboardings: OnboardingHistory[];
  passkeys: Passkey[];
}

/** One onboarding: what we wrote, what upstream saw, what its caller was told. */
export interface OnboardingHistory {
  row: FinalRow;
  events: TimelineEntry[];
  /** Upstream requests of this onboarding, in order of arrival. */
  calls: UpstreamCall[];
  /** In the order in which callers heard them. */
  told: Told[];
}

export interface FinalRow {
  id: string;
  userId: string;
  /** The caller's own name for the start that made it. */
  externalRef: string | null;
  state: State;
  step: StepName | null;
  version: number;
  lastSeq: number;
  attempt: number;
  parkedReason: string | null;
  leaseUntil: number | null;
  nextAttemptAt: number | null;
  dueAt: number | null;
  otpHandle: string | null;
  unresolved: { step: StepName; attempt: number }[];
  authenticators: { id: string | null; credentialId: string }[];
  /** Whether any sealed column is left. */
  holdsSecrets: boolean;
}

export interface TimelineEntry {
  seq: number;
  type: string;
  at: number;
  actor: string;
  data: {
    step?: StepName;
    attempt?: number;
    fingerprint?: string;
    class?: string;
    lapsed?: boolean;
    sessionExpiresAt?: string;
    answer?: Signal;
    outcome?: string;
    reason?: string;
  };
}

export interface UpstreamCall {
  step: StepName;
  attempt: number;
  /** When the process that made it began to send, by its own clock. */
  sentAt: number;
  arrivedAt: number;
  answeredAt: number | null;
  /** A status, or how it ended without one. */
  answer: number | 'cut' | 'client_gone' | null;
  otpId: string | null;
  effect: Effect | null;
}

export interface Effect {
  type: 'otp_sent' | 'otp_missed' | 'session_opened' | 'authenticators_created';
  otpId?: string;
  expiresAt?: string;
  credentialIds?: string[];
  authenticatorIds?: string[];
}

export interface Passkey {
  userId: string;
  credentialId: string;
  authenticatorId: string;
}

/** What a caller asks for; each with a key and, where the route takes one, with the key as its reason. */
export type Command = 'start' | 'verify' | 'resend' | 'authenticators' | 'cancel' | 'resolve' | 'retry';

/** One answer that arrived. */
export interface Told {
  at: number;
  what: Command | 'get' | 'options';
  /** The Idempotency-Key. */
  key: string | null;
  status: number;
  /** Of a problem. */
  code: string | null;
  /** Whether it is an earlier answer given again. */
  replayed: boolean;
  /** Of an onboarding. */
  version: number | null;
  state: State | null;
  updatedAt: number | null;
  attemptsLeft: number | null;
  otpSentAt: string | null;
}
