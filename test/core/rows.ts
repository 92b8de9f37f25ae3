import type { Columns, Row, StepName } from '#libs/onboarding';
import { aRow, after } from '#libs/testing';

/** The times of a row written 30 seconds ago, so that a table shows which times a change writes. */
const THIRTY_SECONDS_OLD: Partial<Columns> = {
  sealedDataKey: Buffer.from('key'),
  otpSentAt: after(-30_000),
  otpExpiresAt: after(270_000),
  otpResendAt: after(30_000),
  idleEndsAt: after(1_770_000),
  lifeEndsAt: after(86_370_000),
};

/** Values of an earlier try. If a change clears them, the table shows it. */
export const AN_EARLIER_TRY: Partial<Columns> = {
  lastResult: {
    step: 'init-otp',
    code: 'upstream_unavailable',
    detail: 'an earlier try',
    at: after(-30_000).toISOString(),
  },
};

export const rowAt = (columns: Partial<Columns>): Row => aRow({ ...THIRTY_SECONDS_OLD, ...columns });

export const openAttempt = (step: StepName, attempt: number, evidence = true): Row['unresolved'][number] => ({
  step,
  attempt,
  at: after(-20_000).toISOString(),
  ...(evidence && {
    evidence: { bytesSent: true, headersSeen: true, status: 500, durationMs: 12, detail: 'lost' },
  }),
});

const SECRET = Buffer.from('sealed');
const PENDING = { name: 'p', credentialId: 'credential-1', aaguid: '0', transports: [] };

/** The columns while an attempt is in flight. */
export const UNDER_WAY: Record<StepName, Partial<Columns>> = {
  'init-otp': {
    state: 'otp_requested',
    step: 'init-otp',
    leaseUntil: after(30_000),
    sealedRequests: SECRET,
  },
  'verify-otp': {
    state: 'otp_submitted',
    step: 'verify-otp',
    leaseUntil: after(30_000),
    sealedOtpCode: Buffer.from('123456'),
    sealedRequests: SECRET,
  },
  'create-authenticators': {
    state: 'authenticators_submitted',
    step: 'create-authenticators',
    leaseUntil: after(30_000),
    sessionExpiresAt: after(930_000),
    sessionEndsAt: after(900_000),
    sealedGrant: Buffer.from(
      JSON.stringify({ type: 'upstream-session', sessionId: 's', expiresAt: after(930_000) }),
    ),
    sealedAuthenticators: Buffer.from(JSON.stringify({ authenticators: [] })),
    sealedRequests: SECRET,
    pendingAuthenticators: [PENDING],
    otpHandle: null,
    otpExpiresAt: null,
    otpTriesLeft: 0,
  },
};

export const VERIFIED: Partial<Columns> = {
  ...UNDER_WAY['create-authenticators'],
  state: 'otp_verified',
  step: null,
  leaseUntil: null,
  sealedAuthenticators: null,
  sealedRequests: null,
  pendingAuthenticators: [],
};

export const LOST: Record<'verify-otp' | 'create-authenticators', Partial<Columns>> = {
  'verify-otp': {
    state: 'outcome_unknown',
    step: 'verify-otp',
    attempt: 3,
    submission: 3,
    doubtAttempt: 3,
    unresolved: [openAttempt('verify-otp', 3)],
  },
  'create-authenticators': {
    ...VERIFIED,
    state: 'outcome_unknown',
    step: 'create-authenticators',
    attempt: 3,
    submission: 3,
    doubtAttempt: 3,
    pendingAuthenticators: [PENDING],
    unresolved: [openAttempt('create-authenticators', 3)],
  },
};
