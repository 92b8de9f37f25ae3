import type { Columns, Row } from '#libs/onboarding';
import type { Config } from '#libs/platform';
import type { Started } from '../../libs/onboarding/src/store/onboarding.store.js';

/** @returns the row that the start of an onboarding inserts, with its first attempt in flight. */
export function firstRow(given: Started, now: Date, config: Config): Row {
  const row: Columns = {
    claimId: null,
    traceParent: null,
    ...given,
    state: 'otp_requested',
    reason: null,
    version: 1,
    lastSeq: 2,
    step: 'init-otp',
    attempt: 1,
    submission: 1,
    leaseUntil: later(now, config.LEASE_MS),
    nextAttemptAt: null,
    parkedReason: null,
    parkedAt: null,
    parkings: 0,
    unavailableCount: 0,
    noAnswerCount: 0,
    doubtAttempt: null,
    unresolved: [],
    otpHandle: null,
    otpTargetBundle: null,
    otpExpiresAt: null,
    otpTriesLeft: 0,
    deviceSigning: null,
    otpSends: 0,
    otpResendAt: later(now, config.OTP_RESEND_COOLDOWN_MS),
    otpSentAt: null,
    otpWrong: 0,
    sessionExpiresAt: null,
    sessionEndsAt: null,
    sealedOtpCode: null,
    sealedGrant: null,
    sealedAuthenticators: null,
    pendingAuthenticators: [],
    authenticators: [],
    lastResult: null,
    failure: null,
    createdAt: now,
    updatedAt: now,
    erasedAt: null,
    anchor: null,
    anchoredSeq: null,
    idleEndsAt: later(now, config.ONBOARDING_IDLE_MS),
    lifeEndsAt: later(now, config.ONBOARDING_LIFE_MS),
    dueAt: null,
    now,
    callMs: config.CALL_TIMEOUT_MS,
  };
  return { ...row, dueAt: row.leaseUntil } as Row;
}

const later = (from: Date, ms: number) => new Date(from.getTime() + ms);
