import type { Signal, State, StepName } from '#libs/onboarding';

/**
 * A finished run, as the service's rows and timelines, the sandbox's journal and the callers show it. Times
 * are in ms since 1970.
 */
export interface History {
  onboardings: OnboardingHistory[];
  passkeys: Passkey[];
}

export interface OnboardingHistory {
  row: FinalRow;
  events: TimelineEntry[];
  /** In the order in which they arrived. */
  calls: UpstreamCall[];
  /** In the order in which the callers received them. */
  answers: CallerAnswer[];
}

export interface FinalRow {
  id: string;
  userId: string;
  /** Also the idempotency key of the request that started the onboarding. */
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
  /** When the process began to send the call, by its own clock. */
  sentAt: number;
  arrivedAt: number;
  answeredAt: number | null;
  /** The status, or how the call ended without one. */
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

/** Each command has an Idempotency-Key. If it can have a reason, the reason is the key. */
export type Command = 'start' | 'verify' | 'resend' | 'authenticators' | 'cancel' | 'resolve' | 'retry';

export interface CallerAnswer {
  at: number;
  what: Command | 'get' | 'options';
  key: string | null;
  status: number;
  /** Null if the answer is no problem. */
  code: string | null;
  /** Whether the service repeated its first answer to this idempotency key. */
  replayed: boolean;
  /** If the answer shows no onboarding, this and all members below are null. */
  version: number | null;
  state: State | null;
  updatedAt: number | null;
  attemptsLeft: number | null;
  otpSentAt: string | null;
}
