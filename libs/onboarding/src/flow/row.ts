import type { FieldError } from '#libs/kernel';
import type { CallEvidence } from '#libs/upstream';
import type { ResultCode } from './codes.js';
import type { Onboarding } from './onboarding.entity.js';
import {
  boundOf,
  countsIdleTime,
  isEnded,
  signalAtBound,
  type DoubtfulStep,
  type EndedState,
  type OtpNeededReason,
  type Signal,
  type StepName,
} from './table.js';

/** No answer shows whether the provider acted. */
export interface UnresolvedAttempt {
  step: StepName;
  attempt: number;
  /** When the attempt began, RFC 3339. */
  at: string;
  evidence?: CallEvidence & { detail: string };
}

/** Why a step ended. `errors`: the faulty members of the request. */
export interface Explanation {
  code: ResultCode;
  detail: string;
  errors?: FieldError[];
}

/** How the latest step ended, if it did not succeed. */
export interface LastResult extends Explanation {
  step: StepName;
  /** RFC 3339. */
  at: string;
}

export interface Failure extends LastResult {
  upstreamStatus: number | null;
}

/** A passkey as callers see it. Binary values are unpadded base64url. */
export interface AuthenticatorSummary {
  name: string;
  credentialId: string;
  /** Lowercase UUID. */
  aaguid: string;
  transports: string[];
}

export interface RegisteredAuthenticator extends AuthenticatorSummary {
  /** The provider's id; null if it is not known. */
  id: string | null;
  /** RFC 3339. */
  createdAt: string;
}

/** The columns that are never null, for each state. */
type ColumnsOfState =
  | { state: 'otp_requested'; step: 'init-otp' }
  | { state: 'otp_sent'; step: null; otpHandle: string; otpExpiresAt: Date }
  | { state: 'otp_needed'; step: null; reason: OtpNeededReason }
  | { state: 'otp_submitted'; step: 'verify-otp'; otpHandle: string; sealedOtpCode: Buffer }
  | { state: 'otp_verified'; step: null; sealedGrant: Buffer; sessionEndsAt: Date }
  | {
      state: 'authenticators_submitted';
      step: 'create-authenticators';
      sealedGrant: Buffer;
      sealedAuthenticators: Buffer;
    }
  | { state: 'outcome_unknown'; step: DoubtfulStep }
  | { state: EndedState; step: null };

/** `now`: the database's time at the read. `callMs`: how long one more call may take. */
export type Columns = Onboarding & {
  now: Date;
  callMs: number;
  /** Set only by a statement that begins an attempt: the integration is paused, so no call may be made. */
  paused?: true;
};

export type Row = Columns & ColumnsOfState;

export type RowInStep = Row & {
  step: StepName;
  state: 'otp_requested' | 'otp_submitted' | 'authenticators_submitted';
};

export type Patch = Partial<Onboarding>;

/** @returns when a live row leaves its state by time; null if the onboarding has ended. */
export function deadlineOf(
  row: Pick<Onboarding, 'state' | 'otpExpiresAt' | 'sessionEndsAt' | 'idleEndsAt' | 'lifeEndsAt'>,
): Date | null {
  if (isEnded(row.state)) return null;
  const bound = boundOf(row.state);
  return earliest(bound && row[bound], countsIdleTime(row.state) ? row.idleEndsAt : null, row.lifeEndsAt);
}

/**
 * @returns when a worker must look at a row again. An ended row is due at once, until its anchor is stored.
 */
export function dueOf(row: Omit<Columns, 'dueAt'>, now: Date): Date | null {
  if (isEnded(row.state)) return row.anchoredSeq === row.lastSeq ? null : now;
  if (row.leaseUntil) return row.leaseUntil;
  return row.parkedReason ? deadlineOf(row) : earliest(row.nextAttemptAt, deadlineOf(row));
}

/** @returns the signal of a passed deadline; null before the deadline, and while a call is in flight. */
export function signalOfTime(row: Columns): Signal | null {
  const { now, leaseUntil } = row;
  const deadline = deadlineOf(row);
  if (deadline === null || deadline > now || (leaseUntil !== null && leaseUntil > now)) return null;
  if (row.lifeEndsAt <= deadline || row.idleEndsAt <= deadline) return 'expired';
  // After an expired lease, the call may have taken effect: its process died, or could not write the end.
  return signalAtBound(row.state, row.doubtAttempt !== null || leaseUntil !== null);
}

/** @returns when time alone changes a row: at its deadline, or at the end of its lease if that is later. */
export function changesAt(row: Columns): Date | null {
  const deadline = deadlineOf(row);
  return deadline && row.leaseUntil && row.leaseUntil > deadline ? row.leaseUntil : deadline;
}

const earliest = (...instants: (Date | null)[]) =>
  instants.reduce((one, other) => (one === null || (other !== null && other < one) ? other : one), null);
