import type { ResultCode, ParkedReason } from '../flow/codes.js';
import type { EventType } from '../flow/events.js';
import type { NextAction } from '../flow/next-action.js';
import type { EndedState, OtpNeededReason, State, StepName } from '../flow/table.js';
import type { IntegrationFinding } from '../integrations/integration-verdict.js';

/**
 * The data that operators see: instants in RFC 3339, days in UTC (`YYYY-MM-DD`), no contact, code or secret.
 * Callers write `externalRef`, `caller`, reasons and ids, so pages must escape them.
 */

/** `at_least`: counting stopped at `count`. */
export interface Counted {
  count: number;
  counted: 'exactly' | 'at_least';
}

export interface Now {
  at: string;
  /** The most severe first. */
  problems: Problem[];
  /** Those with problems first, then by name. */
  integrations: IntegrationNow[];
  /** Live onboardings whose last call has an unknown outcome: they wait for a decision. */
  lostOutcomes: LostOutcomes[];
  /** Ended onboardings with an attempt of unknown outcome. A decision is only recorded. */
  endedUnresolved: Counted & { since: string | null };
  parked: ParkedGroup[];
  /** The largest group first. */
  waiting: WaitingGroup[];
  queues: QueuesNow;
  /** The processes that have reported within the last minute, by name. */
  processes: ProcessNow[];
}

/** A line at the top of the console's first page, with the values for a link to the details. */
export interface Problem {
  kind:
    | 'integration'
    | 'lost_outcomes'
    | 'parked'
    | 'waiting'
    | 'ended_unresolved'
    | 'queue'
    | 'redis'
    | 'processes';
  severity: 'critical' | 'serious' | 'notice';
  text: string;
  since: string | null;
  /** Null if the problem affects no onboarding directly. */
  affected: Counted | null;
  integration: string | null;
  step: StepName | null;
  parkedReason: ParkedReason | null;
  queue: string | null;
}

export interface IntegrationNow {
  name: string;
  status: 'up' | 'down';
  detail: string | null;
  /** The facts in `detail`, for programs. */
  finding: IntegrationFinding;
  pause: { since: string; by: string; reason: string } | null;
  /** When the oldest present problem of the integration began. */
  since: string | null;
  /** The calls that have failed since their last success, over all processes. */
  errors: {
    call: string;
    class: string;
    upstreamStatus: number | null;
    failures: number;
    since: string;
    lastAt: string;
    /** Whether the last failure is recent enough to count as the present state. */
    isCurrent: boolean;
  }[];
  seenBy: {
    process: string;
    breaker: 'closed' | 'open' | 'half_open';
    breakerSince: string | null;
    refusedSince: string | null;
    refusedStatus: number | null;
    clockSkewMs: number;
    /** Why the last signing failed; null if signing works. */
    signer: string | null;
    key: { inUse: number; count: number; fingerprint: string } | null;
  }[];
  affected: { waiting: Counted; parked: Counted; outcomeUnknown: Counted };
}

export interface LostOutcomes extends Counted {
  integration: string;
  step: StepName;
  since: string;
}

export interface ParkedGroup extends Counted {
  integration: string;
  reason: ParkedReason;
  since: string;
}

export interface WaitingGroup extends Counted {
  integration: string;
  step: StepName;
  /** How the last try ended; null if no try has ended. */
  lastResultCode: ResultCode | null;
  /** A sentence about the last try of one step in the group. */
  detail: string | null;
  /** When the last try of the longest waiting step ended. */
  since: string;
  /** The earliest next try in the group. It is in the past if no worker takes it. */
  nextAttemptAt: string;
}

export interface QueuesNow {
  /** `down`: Redis is away; then `queues` is empty. */
  redis: { status: 'up' | 'down'; detail: string | null };
  queues: QueueNow[];
}

export interface QueueNow {
  name: string;
  status: 'up' | 'down';
  detail: string;
  paused: boolean;
  pausedSince: string | null;
  waiting: number;
  active: number;
  delayed: number;
  failed: number;
  completed: number;
  oldestWaitingSince: string | null;
  /** For how long the oldest due job has waited, in milliseconds; 0 if no job waits. */
  lagMs: number;
  lastFinishedAt: string | null;
}

export interface ProcessNow {
  name: string;
  seenAt: string;
  /** False if the process has not reported for 10 seconds. */
  isLive: boolean;
}

export interface Funnel {
  from: string;
  to: string;
  /** Null for all integrations. */
  integration: string | null;
  /** Null if none of the days was counted. */
  countedAt: string | null;
  total: FunnelFigures;
  /** Each day from `from` to `to`, also days without onboardings. */
  days: (FunnelFigures & { day: string; isFinal: boolean })[];
  integrations: (FunnelFigures & { integration: string })[];
}

export interface FunnelFigures {
  started: number;
  /** The next three members count how many of the started onboardings ever got to each stage. */
  codeSent: number;
  verified: number;
  registered: number;
  live: number;
  /** The largest group first. `code` is the result code of the last step, if any. */
  endings: { state: EndedState; code: ResultCode | null; count: number }[];
  /** Interpolated from histograms; null if there is no value. */
  medianMs: {
    startedToCodeSent: number | null;
    codeSentToVerified: number | null;
    verifiedToRegistered: number | null;
    startedToRegistered: number | null;
  };
}

export interface OnboardingSummary {
  id: string;
  integration: string;
  caller: string;
  /** The state after the effects of all passed deadlines, even if they are not written yet. */
  state: State;
  step: StepName | null;
  parkedReason: ParkedReason | null;
  externalRef: string | null;
  lastResultCode: ResultCode | null;
  createdAt: string;
  updatedAt: string;
  nextAttemptAt: string | null;
}

export interface OnboardingDetail extends OnboardingSummary {
  provider: string;
  version: number;
  reason: OtpNeededReason | null;
  erasedAt: string | null;
  parkedAt: string | null;
  /** The provider's ids of the subject, without the contact. */
  subject: Record<string, string>;
  otpId: string | null;
  explanation: string;
  nextAction: NextAction;
  /** When the onboarding ends if nothing more happens; null if it has ended. */
  endsAt: string | null;
  lastResult: { step: StepName; code: ResultCode; detail: string; at: string } | null;
  failure: {
    step: StepName;
    code: ResultCode;
    detail: string;
    at: string;
    upstreamStatus: number | null;
  } | null;
  codes: { sent: number; wrong: number; triesLeft: number; expiresAt: string | null };
  authenticators: { id: string | null; credentialId: string; aaguid: string; createdAt: string }[];
  /** Oldest first. */
  attempts: AttemptView[];
  /** Oldest first; at most the last 1 000 events. */
  timeline: TimelineEntry[];
  /** The job of the running or waiting step, for a link to the queue board. The queue may have deleted it. */
  job: { queue: 'steps'; id: string } | null;
  actions: ActionView[];
}

export interface AttemptView {
  attempt: number;
  step: StepName;
  startedAt: string;
  endedAt: string | null;
  durationMs: number | null;
  /** The class of the failure, or `ok`; null while the attempt runs. */
  class: string | null;
  upstreamStatus: number | null;
  /** True if the lease ended without an answer: the process died or could not reach PostgreSQL. */
  lapsed: boolean;
  /** Whether the effect of the attempt is unknown, so that an operator may decide it. */
  unresolved: boolean;
  lateAnswer: string | null;
  /** What is known of a call with an unknown outcome. */
  evidence: {
    detail: string;
    /** Whether a byte of the request may have been sent. */
    bytesSent: boolean | null;
    headersSeen: boolean | null;
    status: number | null;
    durationMs: number | null;
  } | null;
}

export interface TimelineEntry {
  seq: number;
  at: string;
  type: EventType;
  actor: 'caller' | 'service' | 'upstream';
  text: string;
  attempt: number | null;
  /** The operator or other caller that gave the command; null if the onboarding's own caller gave it. */
  by: string | null;
  reason: string | null;
}

export interface ActionView {
  action: 'retry' | 'resolve_done' | 'resolve_not_done' | 'cancel' | 'resend' | 'erase';
  allowed: boolean;
  /** What the action would do now, in one sentence. */
  means: string;
  whyNot: string | null;
}
