import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Client } from 'pg';
import { anOnboarding, inMs, lookAgain, testDatabaseUrl, until } from '#libs/testing';
import { failure, VerifyStep } from '../fixtures/verify-step.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { asOfNow } from '../flow/move.js';
import type { OnboardingEvent } from '../flow/onboarding-event.entity.js';
import { dueOf, type Row } from '../flow/row.js';
import { Claims } from './claim.js';
import { LostClaims } from './lost-claims.js';
import { StepRunner } from './run.js';
import { Settlement } from './settle.js';
import type { AttemptEnd } from './verdict.js';

const step = new VerifyStep();
let onboardings: Onboardings;
let settlement: Settlement;
let runner: StepRunner;
beforeAll(async () => {
  onboardings = await openOnboardings([step]);
  settlement = onboardings.module.get(Settlement);
  runner = onboardings.module.get(StepRunner);
});
afterAll(() => onboardings.close());
beforeEach(() => void onboardings.added.splice(0));

const AT = '2026-11-20T10:00:00.000Z';
const LAPSED = `lease_until = clock_timestamp() - interval '1 second'`;

/** Inserts an onboarding whose attempt 2, the first of its submission, is in flight. */
async function inFlight(columns: Record<string, unknown> = {}): Promise<Row> {
  const id = await anOnboarding(onboardings.dataSource, {
    state: 'otp_submitted',
    step: 'verify-otp',
    attempt: 2,
    submission: 2,
    lease_until: inMs(30_000),
    sealed_otp_code: Buffer.from('code'),
    unresolved: [{ step: 'verify-otp', attempt: 2, at: AT }],
    ...columns,
  });
  return onboardings.load(id);
}

async function set(id: string, assignments: string): Promise<void> {
  await onboardings.dataSource.query(`UPDATE onboardings SET ${assignments} WHERE id = $1`, [id]);
  await lookAgain(onboardings.dataSource, id);
}

const timeline = async (id: string): Promise<Pick<OnboardingEvent, 'type' | 'data'>[]> =>
  (await onboardings.store.events(id, 0, 100)).map(({ type, data }) => ({ type, data }));

const VERIFIED = { sessionExpiresAt: expect.stringMatching(/^\d{4}-.+Z$/) };

const succeeded = (): AttemptEnd => ({ type: 'succeeded', end: step.verified, durationMs: 40 });
const failed = (...of: Parameters<typeof failure>): AttemptEnd => ({ type: 'failed', error: failure(...of) });

describe('an attempt, when its end is written,', () => {
  it('moves the row to the next state, and leaves no lease and no unknown outcome', async () => {
    const row = await inFlight({ doubt_attempt: 2, no_answer_count: 1 });
    const settled = await settlement.settle(row, succeeded());
    expect(settled).toMatchObject({
      state: 'otp_verified',
      version: 2,
      step: null,
      leaseUntil: null,
      doubtAttempt: null,
      unresolved: [],
      sealedOtpCode: null,
      sealedGrant: Buffer.from('grant'),
      otpTriesLeft: 2,
    });
    expect(await timeline(row.id)).toEqual([
      {
        type: 'attempt_ended',
        data: { step: 'verify-otp', attempt: 2, class: 'ok', upstreamStatus: 200, durationMs: 40 },
      },
      { type: 'otp_verified', data: VERIFIED },
    ]);
    expect(onboardings.added).toEqual([]);
  });

  it('leaves the unknown outcome of an attempt of an earlier submission as it is', async () => {
    const earlier = { step: 'create-authenticators', attempt: 1, at: AT };
    const row = await inFlight({ unresolved: [earlier, { step: 'verify-otp', attempt: 2, at: AT }] });
    expect((await settlement.settle(row, succeeded())).unresolved).toEqual([earlier]);
  });

  it('is followed by a later try, in a job whose id belongs to this try', async () => {
    const row = await inFlight();
    const settled = await settlement.settle(row, failed('unavailable', { status: 502 }));
    expect(settled).toMatchObject({
      state: 'otp_submitted',
      version: 1,
      leaseUntil: null,
      unavailableCount: 1,
      doubtAttempt: 2,
      sealedOtpCode: Buffer.from('code'),
      lastResult: { step: 'verify-otp', code: 'upstream_unavailable' },
    });
    expect(settled.unresolved).toMatchObject([{ attempt: 2, evidence: { status: 502, bytesSent: true } }]);
    const [job] = onboardings.added;
    expect(job).toMatchObject({
      name: 'verify-otp',
      payload: { onboardingId: row.id },
      options: { id: `${row.id}_verify-otp_3` },
    });
    const dueInMs = settled.nextAttemptAt!.getTime() - settled.now.getTime();
    expect(Math.abs(dueInMs - job!.options.delayMs!)).toBeLessThan(1000);
    expect((await timeline(row.id)).map(({ type }) => type)).toEqual(['attempt_ended', 'retry_scheduled']);
  });

  it('keeps the provider requests that its call has stored in the row, for the next try', async () => {
    const row = await inFlight();
    expect(await onboardings.store.keepRequests(row, Buffer.from('kept'))).toBe(true);
    const settled = await settlement.settle(row, failed('unavailable', { status: 502 }));
    expect(settled).toMatchObject({ state: 'otp_submitted', sealedRequests: Buffer.from('kept') });
    const parked = await inFlight();
    await onboardings.store.keepRequests(parked, Buffer.from('kept'));
    expect(await settlement.settle(parked, failed('misconfigured', { status: 401 }))).toMatchObject({
      parkedReason: 'upstream_misconfigured',
      sealedRequests: Buffer.from('kept'),
    });
  });

  it('wipes the stored requests if the step is now over', async () => {
    const row = await inFlight();
    await onboardings.store.keepRequests(row, Buffer.from('kept'));
    expect(await settlement.settle(row, succeeded())).toMatchObject({
      state: 'otp_verified',
      sealedRequests: null,
    });
  });

  it('is not followed by a try before the time that the provider asks for', async () => {
    const row = await inFlight();
    await settlement.settle(row, failed('throttled', { status: 429, retryAfterMs: 90_000 }));
    expect(onboardings.added[0]!.options.delayMs).toBeGreaterThanOrEqual(90_000);
  });

  it('has no unknown outcome if no byte was sent', async () => {
    const row = await inFlight();
    expect(await settlement.settle(row, failed('not_sent'))).toMatchObject({
      state: 'otp_submitted',
      unresolved: [],
      doubtAttempt: null,
      otpTriesLeft: 3,
    });
  });

  it('has an unknown outcome if no clear answer comes, even if the next attempt is refused', async () => {
    const row = await inFlight();
    const lost = await settlement.settle(row, failed('no_answer'));
    expect(lost).toMatchObject({
      state: 'outcome_unknown',
      step: 'verify-otp',
      doubtAttempt: 2,
      otpTriesLeft: 2,
    });
    expect(lost.unresolved).toMatchObject([
      { step: 'verify-otp', attempt: 2, evidence: { status: null, detail: expect.any(String) } },
    ]);

    const unresolved = [
      { step: 'verify-otp', attempt: 2, at: AT },
      { step: 'verify-otp', attempt: 3, at: AT },
    ];
    const second = await inFlight({ attempt: 3, doubt_attempt: 2, unavailable_count: 1, unresolved });
    const refused = await settlement.settle(
      second,
      failed('rejected', { status: 400, reason: 'otp_invalid' }),
    );
    expect(refused).toMatchObject({ state: 'outcome_unknown', doubtAttempt: 2 });
    expect(refused.unresolved).toMatchObject([{ attempt: 2 }]);
  });

  it('parks the row if the provider refuses the key of the service, and queues no job', async () => {
    const row = await inFlight();
    const parked = await settlement.settle(row, failed('misconfigured', { status: 401 }));
    expect(parked).toMatchObject({
      state: 'otp_submitted',
      parkedReason: 'upstream_misconfigured',
      nextAttemptAt: null,
      leaseUntil: null,
      unresolved: [],
    });
    expect(onboardings.added).toEqual([]);
    const missing = await settlement.settle(await inFlight(), { type: 'integration_missing' });
    expect(missing).toMatchObject({ parkedReason: 'integration_missing', unresolved: [] });
  });

  it('applies a deadline that passed during the call', async () => {
    const row = await inFlight({ otp_expires_at: inMs(-1) });
    expect(await settlement.settle(row, failed('not_sent'))).toMatchObject({
      state: 'otp_needed',
      reason: 'otp_expired',
    });
    expect(onboardings.added).toEqual([]);
  });
});

describe('a late answer', () => {
  /** Inserts an onboarding with an unknown outcome. The answer to its attempt 2 comes later. */
  async function lost(): Promise<Row> {
    const row = await inFlight();
    await set(row.id, LAPSED);
    await runner.takeOver(await onboardings.load(row.id));
    expect((await onboardings.load(row.id)).state).toBe('outcome_unknown');
    return row;
  }

  it('decides the outcome of its attempt, which was recorded as unknown', async () => {
    const row = await lost();
    const settled = await settlement.settle(row, succeeded());
    expect(settled).toMatchObject({
      state: 'otp_verified',
      unresolved: [],
      doubtAttempt: null,
      sealedGrant: Buffer.from('grant'),
    });
    const types = (await timeline(row.id)).map(({ type, data }) =>
      type === 'late_answer' ? `${type} ${data['answer']}` : type,
    );
    expect(types).toEqual(['attempt_ended', 'outcome_lost', 'attempt_ended', 'late_answer otp_verified']);
  });

  it('decides the outcome also if it is a clear refusal', async () => {
    const row = await lost();
    const settled = await settlement.settle(row, failed('rejected', { status: 400, reason: 'otp_invalid' }));
    expect(settled).toMatchObject({
      state: 'otp_sent',
      unresolved: [],
      doubtAttempt: null,
      lastResult: { code: 'otp_invalid' },
    });
  });

  it('begins the idle time again, because it did not count while the outcome was unknown', async () => {
    const row = await lost();
    await set(row.id, `idle_ends_at = clock_timestamp() - interval '1 minute'`);
    const settled = await settlement.settle(row, failed('rejected', { status: 400, reason: 'otp_invalid' }));
    expect(asOfNow(settled)).toMatchObject({ state: 'otp_sent' });
    expect(settled.idleEndsAt.getTime()).toBeGreaterThan(settled.now.getTime());
  });

  it('without a definite result is recorded, and changes nothing else', async () => {
    const row = await lost();
    const before = await onboardings.load(row.id);
    const settled = await settlement.settle(row, failed('unavailable', { status: 503 }));
    expect(settled).toMatchObject({
      state: 'outcome_unknown',
      version: before.version,
      unresolved: before.unresolved,
    });
    expect((await timeline(row.id)).at(-1)).toEqual({
      type: 'late_answer_kept',
      data: { step: 'verify-otp', attempt: 2, class: 'unavailable', upstreamStatus: 503 },
    });
    expect(onboardings.added).toEqual([]);
  });

  it.each([
    ['a newer attempt is in flight', `attempt = 3`, 'otp_submitted'],
    [
      'a newer attempt was lost',
      `attempt = 3, state = 'outcome_unknown', lease_until = NULL`,
      'outcome_unknown',
    ],
    [
      'the onboarding has been cancelled',
      `state = 'cancelled', version = 2, step = NULL, lease_until = NULL, sealed_otp_code = NULL`,
      'cancelled',
    ],
    ['a new code was requested', `state = 'otp_requested', step = 'init-otp', attempt = 3`, 'otp_requested'],
  ])('is recorded and changes nothing else if %s', async (_, meanwhile, state) => {
    const row = await inFlight();
    await set(row.id, meanwhile);
    const { now: _then, ...before } = await onboardings.load(row.id);
    const settled = await settlement.settle(row, succeeded());
    expect(settled).toMatchObject({
      ...before,
      state,
      lastSeq: 1,
      updatedAt: expect.any(Date),
      dueAt: expect.any(Date),
    });
    if (state !== 'cancelled') expect(settled.dueAt).toEqual(dueOf(settled, settled.now));
    expect(settled.sealedGrant).toBeNull();
    expect(await timeline(row.id)).toEqual([
      {
        type: 'late_answer_kept',
        data: {
          step: 'verify-otp',
          attempt: 2,
          class: 'ok',
          answer: 'otp_verified',
          ...VERIFIED,
        },
      },
    ]);
  });
});

describe('an end that comes after the lease has expired and a deadline has passed', () => {
  it.each([
    { end: succeeded(), state: 'otp_verified', version: 3, last: 'late_answer' },
    {
      end: failed('rejected', { status: 400, reason: 'otp_invalid' }),
      state: 'otp_sent',
      version: 3,
      last: 'late_answer',
    },
    { end: failed('not_sent'), state: 'otp_needed', version: 3, last: 'late_answer' },
    { end: { type: 'integration_paused' }, state: 'otp_needed', version: 3, last: 'late_answer' },
    { end: { type: 'integration_missing' }, state: 'otp_needed', version: 3, last: 'late_answer' },
    { end: failed('no_answer'), state: 'outcome_unknown', version: 2, last: 'late_answer_kept' },
    {
      end: failed('unavailable', { status: 503 }),
      state: 'outcome_unknown',
      version: 2,
      last: 'late_answer_kept',
    },
  ] as const)(
    'is a late answer, because callers may have read outcome_unknown: $end.type $end.error.failure',
    async ({ end, state, version, last }) => {
      const row = await inFlight();
      await set(row.id, `${LAPSED}, otp_expires_at = clock_timestamp() - interval '1 millisecond'`);
      const claimed = { ...row, ...(await deadlinesOf(row.id)) } as Row;
      expect(asOfNow(await onboardings.load(row.id))).toMatchObject({ state: 'outcome_unknown', version: 2 });
      expect(await settlement.settle(claimed, end)).toMatchObject({ state, version });
      expect(onboardings.added).toEqual([]);
      const types = (await timeline(row.id)).map(({ type }) => type);
      expect(types[0]).toBe('outcome_lost');
      expect(types).toContain(last);
    },
  );

  it('leaves the outcome unknown if an earlier attempt may have had an effect', async () => {
    const unresolved = [2, 3].map((attempt) => ({ step: 'verify-otp', attempt, at: AT }));
    const row = await inFlight({ attempt: 3, doubt_attempt: 2, unresolved });
    await set(row.id, `${LAPSED}, otp_expires_at = clock_timestamp() - interval '1 millisecond'`);
    const claimed = { ...row, ...(await deadlinesOf(row.id)) } as Row;
    expect(await settlement.settle(claimed, failed('not_sent'))).toMatchObject({
      state: 'outcome_unknown',
      unresolved: [{ attempt: 2 }],
    });
  });

  it('is a late answer also if it waits for a lock when the lease and the code end', async () => {
    const row = await inFlight();
    await set(row.id, `lease_until = clock_timestamp() + interval '400 milliseconds'`);
    await set(row.id, 'otp_expires_at = lease_until');
    const claimed = { ...row, ...(await deadlinesOf(row.id)) } as Row;
    const holder = new Client({ connectionString: await testDatabaseUrl() });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [row.id]);
    const settling = settlement.settle(claimed, succeeded());
    await until('the lease has ended', async () => {
      const { rows } = await holder.query('SELECT clock_timestamp() > $1 AS ended', [claimed.leaseUntil]);
      return (rows[0] as { ended: boolean }).ended;
    });
    await holder.query('ROLLBACK');
    await holder.end();
    expect(await settling).toMatchObject({ state: 'otp_verified', version: 3 });
  });

  it('is recorded and changes nothing else if the onboarding has expired', async () => {
    const row = await inFlight();
    await set(row.id, `${LAPSED}, life_ends_at = clock_timestamp() - interval '1 millisecond'`);
    const claimed = { ...row, ...(await deadlinesOf(row.id)) } as Row;
    expect(await settlement.settle(claimed, succeeded())).toMatchObject({ state: 'expired', version: 2 });
    expect((await timeline(row.id)).map(({ type }) => type)).toContain('late_answer_kept');
  });

  it('does not change an onboarding that has expired with an unknown outcome', async () => {
    const row = await inFlight();
    await set(row.id, LAPSED);
    await runner.takeOver(await onboardings.load(row.id));
    await set(row.id, `life_ends_at = clock_timestamp() - interval '1 millisecond'`);
    expect(await settlement.settle(row, succeeded())).toMatchObject({ state: 'expired', version: 3 });
  });

  const deadlinesOf = async (id: string) => {
    const { leaseUntil, otpExpiresAt, lifeEndsAt } = await onboardings.load(id);
    return { leaseUntil, otpExpiresAt, lifeEndsAt };
  };
});

describe('the record of a late answer', () => {
  it('is written after the event of a deadline that has passed', async () => {
    const row = await inFlight();
    await set(
      row.id,
      `attempt = 3, state = 'otp_sent', step = NULL, lease_until = NULL, sealed_otp_code = NULL,
        otp_expires_at = clock_timestamp() - interval '1 second'`,
    );
    const settled = await settlement.settle(row, succeeded());
    expect(settled).toMatchObject({ state: 'otp_needed', attempt: 3, lastSeq: 2 });
    expect(await onboardings.eventTypes(row.id)).toEqual(['otp_expired', 'late_answer_kept']);
  });

  it('does not change the stored requests of a newer attempt', async () => {
    const row = await inFlight();
    await set(row.id, 'attempt = 3');
    const newer = await onboardings.load(row.id);
    const find = jest.spyOn(onboardings.store, 'find').mockImplementationOnce(async () => {
      await onboardings.store.keepRequests(newer, Buffer.from('kept'));
      return newer;
    });
    await settlement.settle(row, succeeded());
    expect(find).toHaveBeenCalledTimes(1);
    find.mockRestore();
    expect(await onboardings.load(row.id)).toMatchObject({ attempt: 3, sealedRequests: Buffer.from('kept') });
  });
});

describe('the takeover of an attempt', () => {
  it('records only once, after the lease has expired, that the attempt got no answer', async () => {
    const row = await inFlight();
    await set(row.id, LAPSED);
    const seen = await onboardings.load(row.id);
    await Promise.all([runner.takeOver(seen), runner.takeOver(seen), runner.takeOver(seen)]);
    const settled = await onboardings.load(row.id);
    expect(settled).toMatchObject({ state: 'outcome_unknown', version: 2, doubtAttempt: 2 });
    expect(await timeline(row.id)).toEqual([
      {
        type: 'attempt_ended',
        data: expect.objectContaining({ attempt: 2, class: 'no_answer', lapsed: true }),
      },
      { type: 'outcome_lost', data: expect.objectContaining({ bytesSent: true, status: null }) },
    ]);
  });

  it('does nothing after the attempt’s own process has written the end', async () => {
    const row = await inFlight();
    await set(row.id, LAPSED);
    const seen = await onboardings.load(row.id);
    await settlement.settle(row, succeeded());
    expect(await runner.takeOver(seen)).toMatchObject({ state: 'otp_verified' });
    expect((await timeline(row.id)).map(({ type }) => type)).toEqual(['attempt_ended', 'otp_verified']);
  });

  it('lets the onboarding expire if a deadline has passed', async () => {
    const row = await inFlight();
    await set(row.id, `${LAPSED}, idle_ends_at = clock_timestamp() - interval '1 millisecond'`);
    const seen = await onboardings.load(row.id);
    expect(await runner.takeOver(seen)).toMatchObject({ state: 'expired', version: 2 });
    expect((await timeline(row.id)).map(({ type }) => type)).toEqual(['expired', 'secrets_wiped']);
  });

  it('does nothing before the lease expires', async () => {
    const row = await inFlight();
    expect(await runner.takeOver(row)).toMatchObject({ state: 'otp_submitted', attempt: 2 });
    expect(await timeline(row.id)).toEqual([]);
  });
});

describe('the first write of an attempt (the claim)', () => {
  it.each([
    { late: [false], writes: 1, end: null },
    { late: [true, false], writes: 2, end: null },
    { late: [true, true], writes: 2, end: { code: 'not_ready', retryable: true } },
  ])(
    'is tried again only if it came too late, and at most twice in all: $late',
    async ({ late, writes, end }) => {
      const isLate = jest.spyOn(onboardings.store, 'isLate');
      for (const each of late) isLate.mockResolvedValueOnce(each);
      const write = jest.fn<() => Promise<null>>().mockResolvedValue(null);
      const claimed = onboardings.module.get(Claims).claim('id', null, write);
      if (end) await expect(claimed).rejects.toMatchObject(end);
      else expect(await claimed).toBeNull();
      expect(write).toHaveBeenCalledTimes(writes);
      isLate.mockRestore();
    },
  );
});

describe('an attempt whose claim got no answer from PostgreSQL', () => {
  const claim = { claimId: '0198a000-0000-4000-8000-00000000000c', claimBefore: new Date(0) };
  let lost: LostClaims;
  beforeAll(() => {
    lost = onboardings.module.get(LostClaims);
  });

  it('is recorded as not sent', async () => {
    const row = await inFlight({ claim_id: claim.claimId });
    lost.settleLater(row.id, claim, null);
    await lost.beforeApplicationShutdown();
    expect(await onboardings.load(row.id)).toMatchObject({ state: 'otp_submitted', unresolved: [] });
    expect((await timeline(row.id))[0]).toMatchObject({ type: 'attempt_ended', data: { class: 'not_sent' } });
  });

  it('gets a note that nothing was sent, if its outcome already counts as unknown', async () => {
    const row = await inFlight({ claim_id: claim.claimId });
    await set(row.id, LAPSED);
    await runner.takeOver(await onboardings.load(row.id));
    lost.settleLater(row.id, claim, null);
    await lost.beforeApplicationShutdown();
    expect((await onboardings.load(row.id)).state).toBe('outcome_unknown');
    expect((await timeline(row.id)).at(-1)).toEqual({
      type: 'late_answer_kept',
      data: { step: 'verify-otp', attempt: 2, class: 'not_sent', upstreamStatus: null },
    });
  });

  it('stays as it is if the row was written by another attempt', async () => {
    const row = await inFlight({ claim_id: '0198a000-0000-4000-8000-00000000000d' });
    lost.settleLater(row.id, claim, null);
    await lost.beforeApplicationShutdown();
    expect(await timeline(row.id)).toEqual([]);
  });
});

describe('the end of an attempt', () => {
  it('that only this process knows is written as soon as PostgreSQL is back', async () => {
    const row = await inFlight();
    const holder = new Client({ connectionString: await testDatabaseUrl() });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [row.id]);
    // A transaction always sees the same pg_stat_activity, so another connection must look.
    const watcher = new Client({ connectionString: await testDatabaseUrl() });
    await watcher.connect();
    const settling = settlement.settle(row, succeeded());
    let cut = 0;
    const deadline = performance.now() + 5000;
    while (cut === 0 && performance.now() < deadline) {
      // Only this test's write waits for the lock of the row.
      const { rowCount } = await watcher.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      cut += rowCount ?? 0;
    }
    expect(cut).toBe(1);
    await holder.query('ROLLBACK');
    await Promise.all([holder.end(), watcher.end()]);
    expect(await settling).toMatchObject({ state: 'otp_verified', version: 2 });
    expect((await timeline(row.id)).map(({ type }) => type)).toEqual(['attempt_ended', 'otp_verified']);
  });

  it('is not written again after an error other than an outage: the error is thrown', async () => {
    const row = await inFlight();
    const spy = jest
      .spyOn(onboardings.store, 'settle')
      .mockRejectedValueOnce(Object.assign(new Error('no'), { code: '42703' }));
    await expect(settlement.settle(row, succeeded())).rejects.toThrow('no');
    spy.mockRestore();
  });
});
