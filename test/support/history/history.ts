import type { Signal, State, StepName } from '#libs/onboarding';

/** The facts about a finished run, from four independent sources. Instants are in ms. */
export interface History {
  onboardings: OnboardingHistory[];
  passkeys: Passkey[];
}

/** One onboarding: the service's row and timeline, the sandbox's journal, and the callers' answers. */
export interface OnboardingHistory {
  row: FinalRow;
  events: TimelineEntry[];
  /** Upstream requests of this onboarding, in order of arrival. */
  calls: UpstreamCall[];
  /** The answers, in the order in which callers received them. */
  told: Told[];
}

export interface FinalRow {
  id: string;
  userId: string;
  /** The caller's name for the start that made the onboarding. */
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
  /** When the sending process began to send, by its own clock. */
  sentAt: number;
  arrivedAt: number;
  answeredAt: number | null;
  /** The status of the answer, or how the call ended without a status. */
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

/**
 * A caller's commands. Each command has an Idempotency-Key. If the route takes a reason, the key is also the
 * reason.
 */
export type Command = 'start' | 'verify' | 'resend' | 'authenticators' | 'cancel' | 'resolve' | 'retry';

/** An answer that reached its caller. */
export interface Told {
  at: number;
  what: Command | 'get' | 'options';
  /** The Idempotency-Key. */
  key: string | null;
  status: number;
  /** The code of a problem; null for other answers. */
  code: string | null;
  /** Whether the service repeated an earlier answer. */
  replayed: boolean;
  /** From an answer with an onboarding, as the members below; null for other answers. */
  version: number | null;
  state: State | null;
  updatedAt: number | null;
  attemptsLeft: number | null;
  otpSentAt: string | null;
}
