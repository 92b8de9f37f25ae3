import { describe, expect, it } from '@jest/globals';
import { aRow, after as inMs } from '#libs/testing';
import { EVENTS, EVENT_TYPES, dataOf, type EventType, type NewEvent } from './events.js';
import { endOf, park, retryLater, succeeded, type AttemptFacts } from './attempt-end.js';
import { erase } from './erase.js';
import {
  BY_TIME,
  after,
  keepLateAnswer,
  lateAnswer,
  move,
  movesOfTime,
  recordDecision,
  retryNow,
  unpark,
  type Ended,
  type Facts,
  type Moved,
} from './move.js';
import type { Row } from './row.js';
import type { Signal } from './table.js';

const SETTINGS = {
  LEASE_MS: 30_000,
  OTP_LIFE_MS: 300_000,
  OTP_TRIES: 3,
  OTP_RESEND_COOLDOWN_MS: 60_000,
  SESSION_MARGIN_MS: 30_000,
  ONBOARDING_IDLE_MS: 1_800_000,
  ONBOARDING_LIFE_MS: 86_400_000,
};
const AT = { now: inMs(0), settings: SETTINGS };
const PASSKEY = { name: 'x', credentialId: 'c', aaguid: '0', transports: [] };
const REASON = 'a caller says why';
const ATTEMPT: AttemptFacts = {
  class: 'no_answer',
  effect: 'counted',
  counts: { unavailableCount: 0, noAnswerCount: 1 },
  reveals: 'nothing',
  upstreamStatus: null,
  evidence: { bytesSent: true, headersSeen: false, status: null, durationMs: 12.5, detail: 'silence' },
  durationMs: 12.5,
};

class Walk {
  readonly events: NewEvent[] = [];

  constructor(public row: Row) {}

  write(moved: Moved): this {
    this.events.push(...moved.events);
    this.row = after(this.row, moved, this.row.now);
    return this;
  }

  signal<S extends Exclude<Signal, 'late_answer'>>(signal: S, facts: Facts[S], ended?: Ended): this {
    return this.write(move(this.row, signal, facts, AT, ended));
  }

  succeeds<S extends Exclude<Signal, 'late_answer'>>(signal: S, facts: Facts[S]): this {
    const ended = endOf(this.row, { ...ATTEMPT, class: 'ok', reveals: 'all' });
    return this.signal(signal, facts, succeeded(ended, AT));
  }

  passes(ms: number): this {
    this.row = { ...this.row, now: inMs(ms) };
    for (const { moved } of movesOfTime(this.row)) this.write(moved);
    return this;
  }
}

const result = { code: 'upstream_rejected', detail: 'no' } as const;
const requested = () =>
  new Walk(
    aRow({
      state: 'otp_requested',
      step: 'init-otp',
      leaseUntil: inMs(30_000),
      sealedRequests: Buffer.from('once'),
    }),
  );
const sent = () => requested().succeeds('otp_sent', { handle: 'h', targetBundle: null, lifeMs: null });
const submitted = () =>
  sent().signal('otp_submitted', { fingerprint: 'f', sealedOtpCode: Buffer.from('code') });
const verified = () =>
  submitted().succeeds('otp_verified', {
    sealedGrant: Buffer.from('grant'),
    deviceSigning: null,
    sessionExpiresAt: inMs(900_000),
  });
const withPasskeys = () =>
  verified().signal('authenticators_submitted', {
    fingerprint: 'f',
    sealedAuthenticators: Buffer.from('passkeys'),
    pendingAuthenticators: [PASSKEY],
  });
const lost = () => {
  const walk = withPasskeys();
  return walk.signal('outcome_lost', { result, evidence: ATTEMPT.evidence! }, endOf(walk.row, ATTEMPT));
};
const decision = (outcome: 'done' | 'not_done'): NewEvent => ({
  type: 'resolved',
  actor: 'caller',
  data: { by: 'operator', outcome, reason: REASON, step: 'create-authenticators', attempt: 3 },
});
const late = {
  step: 'create-authenticators',
  attempt: 3,
  class: 'ok',
  answer: 'authenticators_created',
  authenticatorIds: null,
  unmapped: true,
} as const;

const WALKS: Record<string, () => Walk> = {
  'through all three steps': () =>
    withPasskeys().succeeds('authenticators_created', { authenticatorIds: ['id'] }),
  'to passkeys whose ids cannot be matched': () =>
    withPasskeys().succeeds('authenticators_created', { authenticatorIds: null }),
  'past refusals': () =>
    submitted()
      .signal('otp_rejected', { result, isWrong: true })
      .signal('otp_resend_asked', { fingerprint: 'f', reason: REASON })
      .signal('send_gave_up', { codeLives: false, result }),
  'past refused passkeys': () =>
    withPasskeys().signal('authenticators_rejected', { result }).signal('session_expired', BY_TIME),
  'to a failure': () => {
    const walk = submitted();
    return walk.signal('step_failed', { failure: result }, endOf(walk.row, ATTEMPT));
  },
  'to a parked step, and back': () => {
    const walk = submitted();
    walk.write(park(walk.row, endOf(walk.row, ATTEMPT), 'upstream_misconfigured', AT));
    walk.write(unpark(walk.row.now));
    walk.write(
      park({ ...walk.row, leaseUntil: inMs(1) }, endOf(walk.row, ATTEMPT), 'integration_missing', AT),
    );
    return walk.write(retryNow(walk.row, 'verify-otp', { reason: REASON, by: 'operator' }));
  },
  'through retries': () => {
    const walk = requested();
    const ended = endOf(walk.row, { ...ATTEMPT, mayHaveMailed: true, isLapsed: true });
    walk.write(retryLater(walk.row, ended, 1_234.5, AT));
    return walk.write(retryNow(walk.row, 'init-otp', { reason: REASON }));
  },
  'to each deadline': () => {
    const walk = sent().passes(300_001);
    expect(walk.row.state).toBe('otp_needed');
    return walk.passes(86_400_001);
  },
  'to an outcome that becomes unknown by time': () => {
    const walk = withPasskeys();
    return walk.passes(870_001);
  },
  'to a cancellation': () => verified().signal('cancelled', { reason: REASON, by: 'operator' }),
  'to a cancellation without a reason': () => verified().signal('cancelled', {}),
  'to a decision that it was done': () =>
    lost().signal('resolved_done', { decision: decision('done'), by: 'operator' }),
  'to a decision that it was not done': () =>
    lost().signal('resolved_not_done', { decision: decision('not_done') }),
  'to a late answer that decides an unknown outcome': () => {
    const walk = lost();
    const flying = withPasskeys().row;
    const inTime = move(
      flying,
      'authenticators_created',
      { authenticatorIds: ['id'] },
      AT,
      endOf(flying, ATTEMPT),
    );
    return walk.write(lateAnswer(walk.row, inTime, 'authenticators_created')!);
  },
  'to a late answer, and a decision after the end': () => {
    const walk = lost().signal('cancelled', {});
    walk.write(keepLateAnswer(walk.row, { ...late }));
    return walk.write(recordDecision(walk.row, decision('done'), true, null));
  },
  'to an erasure': () => {
    const walk = lost();
    walk.write(erase(walk.row, 'caller'));
    return walk;
  },
  'to an erasure by the service': () => {
    const walk = verified().signal('cancelled', {});
    return walk.write(erase(walk.row, 'service'));
  },
};

describe('sequences of state changes', () => {
  it.each(Object.entries(WALKS))('write events that fit their schemas: %s', (_, walked) => {
    const { events } = walked();
    expect(events.length).toBeGreaterThan(0);
    for (const { type, data } of events) {
      const asPostgresReturnsIt: unknown = JSON.parse(JSON.stringify(data ?? {}));
      expect([type, EVENTS[type].safeParse(asPostgresReturnsIt).error?.issues]).toEqual([type, undefined]);
    }
  });

  it('together write each type of event, except "created"', () => {
    const types = new Set(Object.values(WALKS).flatMap((walked) => walked().events.map(({ type }) => type)));
    expect(EVENT_TYPES.filter((type) => !types.has(type))).toEqual(['created']);
  });
});

describe('the schemas of events', () => {
  const FITS: Partial<Record<EventType, object>> = {
    created: {},
    attempt_started: { attempt: 1, step: 'init-otp', fingerprint: null },
    parked: { reason: 'integration_missing', step: 'init-otp' },
    late_answer: { answer: 'otp_verified' },
  };

  it.each(Object.entries(FITS) as [EventType, object][])(
    'allow no unknown member in the data of "%s"',
    (type, data) => {
      expect(EVENTS[type].safeParse(data).success).toBe(true);
      expect(EVENTS[type].safeParse({ ...data, code: '123456' }).success).toBe(false);
    },
  );

  it.each([
    ['an attempt before the first', 'attempt_started', { attempt: 0, step: 'init-otp', fingerprint: null }],
    ['a step that does not exist', 'parked', { reason: 'integration_missing', step: 'dance' }],
    ['a reason that does not exist', 'parked', { reason: 'rain', step: 'init-otp' }],
    ['a signal that does not exist', 'late_answer', { answer: 'otp_eaten' }],
  ] as const)('do not allow %s', (_, type, data) => {
    expect(EVENTS[type].safeParse(data).success).toBe(false);
  });
});

describe('dataOf', () => {
  it('returns null for an event of another type, and for an erased event', () => {
    const data = { attempt: 1, step: 'init-otp', fingerprint: null };
    expect(dataOf({ type: 'attempt_started', data }, 'attempt_started')).toEqual(data);
    expect(dataOf({ type: 'parked', data }, 'attempt_started')).toBeNull();
    expect(dataOf({ type: 'attempt_started', data: {} }, 'attempt_started')).toBeNull();
  });
});
