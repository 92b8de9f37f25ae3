import type { Signal, State, StepName } from '#libs/onboarding';

/** The facts about a finished run, from four independent sources. Times are in ms since 1970. */
export interface History {
  onboardings: OnboardingHistory[];
  passkeys: Passkey[];
}

/**
 * One onboarding as the four sources show it: the service's row and timeline, the sandbox's journal, and the
 * answers to callers.
 */
export interface OnboardingHistory {
  row: FinalRow;
  events: TimelineEntry[];
  /** The requests to the provider for this onboarding, in the order in which they arrived. */
  calls: UpstreamCall[];
  /** The answers to callers, in the order in which the callers received them. */
  answers: CallerAnswer[];
}

export interface FinalRow {
  id: string;
  userId: string;
  /**
   * The caller's own reference for the onboarding. It is also the idempotency key of the request that started
   * it.
   */
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
  /** Whether the row still contains an encrypted secret. */
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
  /** When the process began to send the call, by the clock of the process. */
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
 * The commands that a caller can send. Each request has an Idempotency-Key. If the command can have a reason,
 * the caller gives the key as the reason.
 */
export type Command = 'start' | 'verify' | 'resend' | 'authenticators' | 'cancel' | 'resolve' | 'retry';

export interface CallerAnswer {
  at: number;
  what: Command | 'get' | 'options';
  key: string | null;
  status: number;
  /** The code of a problem; null for other answers. */
  code: string | null;
  /** Whether the service repeated its first answer to this idempotency key. */
  replayed: boolean;
  /** The onboarding's version. If the answer shows no onboarding, this and all members below are null. */
  version: number | null;
  state: State | null;
  updatedAt: number | null;
  attemptsLeft: number | null;
  otpSentAt: string | null;
}
