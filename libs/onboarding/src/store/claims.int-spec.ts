import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { Secret, timeOfUuidV7, uuidV7 } from '#libs/kernel';
import { OtpService } from '#libs/otp';
import { CONFIG, type Config } from '#libs/platform';
import { aClaim, aCaller, anOnboarding, inMs, until } from '#libs/testing';
import { firstRow } from '../../../../test/core/first-row.js';
import { Claims } from '../attempt/claim.js';
import { OnboardingService } from '../commands/onboarding.service.js';
import { openWithSteps } from '../fixtures/open-with-steps.js';
import type { NewEvent } from '../flow/events.js';
import { after, move, type Facts, type Moved } from '../flow/move.js';
import type { Row, RowInStep } from '../flow/row.js';
import { canLeaveDoubt, type Signal } from '../flow/table.js';
import { OnboardingStore, type Given, type Started } from './onboarding.store.js';

/**
 * A claim (the first write of an attempt) does not read the row first. These tests check that its SQL changes
 * the row as the function `move` does.
 */

let module: TestingModule;
let dataSource: DataSource;
let store: OnboardingStore;
let config: Config;
beforeAll(async () => {
  module = await openWithSteps();
  dataSource = module.get(DataSource);
  store = module.get(OnboardingStore);
  config = module.get(CONFIG);
});
afterAll(() => module.close());

const AT = '2026-11-20T10:00:00.000Z';
const DAY_MS = 86_400_000;
const terms = { caller: aCaller(), waitMs: 0 };
const PASSKEY = { name: 'laptop', credentialId: 'c-1', aaguid: randomUUID(), transports: ['internal'] };

/** Values of earlier steps, so that a test notices a value that the claim does not reset. */
const BEFORE = {
  attempt: 4,
  submission: 2,
  version: 7,
  last_seq: 11,
  fingerprint: 'earlier',
  parkings: 2,
  unavailable_count: 1,
  no_answer_count: 1,
  otp_resend_at: inMs(-1_000),
  otp_target_bundle: 'bundle',
  otp_wrong: 1,
  metadata: { plan: 'pro' },
  external_ref: 'ref',
  last_result: { step: 'init-otp', code: 'upstream_unavailable', detail: 'd', at: AT },
  unresolved: [
    { step: 'create-authenticators', attempt: 1, at: AT },
    { step: 'verify-otp', attempt: 3, at: AT },
  ],
  authenticators: [{ ...PASSKEY, id: 'p', createdAt: AT }],
  idle_ends_at: inMs(100_000),
  sealed_otp_code: Buffer.from('earlier code'),
  sealed_grant: Buffer.from('earlier grant'),
  sealed_authenticators: Buffer.from('earlier passkeys'),
  sealed_requests: Buffer.from('earlier requests'),
};
const SESSION = {
  device_signing: { organizationId: 'o', userId: 'u', publicKey: 'p', loginMessage: 'm' },
  session_expires_at: inMs(630_000),
  session_ends_at: inMs(600_000),
  sealed_grant: Buffer.from('grant'),
};
const NO_CODE = { otp_handle: null, otp_target_bundle: null, otp_expires_at: null, otp_tries_left: 0 };
const LOST_VERIFICATION = {
  ...BEFORE,
  state: 'outcome_unknown',
  step: 'verify-otp',
  submission: 3,
  doubt_attempt: 3,
};

async function inserted(columns: Record<string, unknown> = {}): Promise<Row> {
  const id = await anOnboarding(dataSource, { ...BEFORE, ...columns });
  return (await store.find(id))!;
}

/** `move` gets the time of the statement, so that both compute the same deadlines. */
const at = (claimed: Row) => ({ now: claimed.updatedAt, settings: config });

const withoutNow = (row: Row) => ({ ...row, now: null });
const claimedRow = (row: Row) => ({ ...withoutNow(row), claimId: expect.any(String) });

async function eventsAfter(row: Row): Promise<(NewEvent & { seq: number })[]> {
  const events = await store.events(row.id, row.lastSeq, 100);
  return events.map(({ seq, type, actor, data }) => ({ seq, type, actor, data }) as never);
}

async function expectMoved(before: Row, claimed: Row, moved: Moved): Promise<void> {
  const expected = claimedRow(after(before, moved, at(claimed).now));
  expect(withoutNow(claimed)).toEqual(expected);
  expect(withoutNow((await store.find(before.id))!)).toEqual(expected);
  expect(await eventsAfter(before)).toEqual(
    moved.events.map(({ type, actor, data = {} }, index) => ({
      seq: before.lastSeq + 1 + index,
      type,
      actor,
      data: JSON.parse(JSON.stringify(data)) as object,
    })),
  );
  expect(claimed.updatedAt.getTime()).toBeGreaterThanOrEqual(before.now.getTime());
  expect(claimed.updatedAt.getTime()).toBeLessThanOrEqual(claimed.now.getTime());
}

const moveOf = <S extends Exclude<Signal, 'late_answer'>>(
  before: Row,
  claimed: Row,
  signal: S,
  facts: Facts[S],
) => move(before, signal, facts, at(claimed));

const givenTo = (id: string): Given => ({
  id,
  by: { caller: null, integrations: null },
  versions: undefined,
  key: undefined,
  fingerprint: 'print',
  claim: aClaim(),
});

describe('the SQL that begins a resend', () => {
  const resend = (id: string, more: object = {}) => module.get(OtpService).resend(id, more, terms);

  it.each<[string, Record<string, unknown>]>([
    ['while a code is still valid', {}],
    [
      'without a valid code',
      { ...NO_CODE, state: 'otp_needed', reason: 'send_failed', otp_sends: 0, otp_sent_at: null },
    ],
    [
      'after a session',
      { ...SESSION, ...NO_CODE, sealed_grant: null, state: 'otp_needed', reason: 'session_expired' },
    ],
    ['after a lost verification', LOST_VERIFICATION],
    [
      'after a lost creation, which stays open',
      {
        ...SESSION,
        state: 'outcome_unknown',
        step: 'create-authenticators',
        doubt_attempt: 4,
        pending_authenticators: [PASSKEY],
        unresolved: [{ step: 'create-authenticators', attempt: 4, at: AT }],
      },
    ],
  ])('changes the row as the function `move` does: %s', async (_, columns) => {
    const before = await inserted(columns);
    const claimed = await resend(before.id, { reason: 'no mail' });
    const { fingerprint } = claimed;
    await expectMoved(
      before,
      claimed,
      moveOf(before, claimed, 'otp_resend_asked', { fingerprint: fingerprint!, reason: 'no mail' }),
    );
  });

  it('writes nothing if the code expires while the statement waits for the budget', async () => {
    const before = await inserted({ otp_expires_at: inMs(300) });
    const holder = dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query(
      `INSERT INTO otp_budgets (integration, subject_key) VALUES ($1, $2)
      ON CONFLICT (integration, subject_key) DO UPDATE SET integration = excluded.integration`,
      [before.integration, before.subjectKey],
    );
    const claiming = store.claimSend(givenTo(before.id), {
      states: ['otp_sent'],
      events: [{ type: 'otp_resend_asked', actor: 'caller' }],
    });
    await until('the code has expired', async () => {
      const [row] = await holder.query('SELECT clock_timestamp() > $1 AS over', [before.otpExpiresAt]);
      return (row as { over: boolean }).over;
    });
    await holder.rollbackTransaction();
    await holder.release();
    expect(await claiming).toBeNull();
    expect(await store.find(before.id)).toMatchObject({ state: 'otp_sent', version: before.version });
  });

  it('changes the row as the function `move` does: with a stored provider request', async () => {
    const before = await inserted();
    const sealedRequests = Buffer.from('once');
    const claimed = (await store.claimSend(givenTo(before.id), {
      states: ['otp_sent'],
      events: [{ type: 'otp_resend_asked', actor: 'caller' }],
      sealedRequests,
    }))!;
    expect(claimed.sealedRequests).toEqual(sealedRequests);
    await expectMoved(
      before,
      claimed,
      moveOf(before, claimed, 'otp_resend_asked', { fingerprint: 'print', sealedRequests }),
    );
  });
});

describe('the SQL that sends a new code after a decision on a lost outcome', () => {
  it.each([
    ['its owner', aCaller()],
    ['an operator', aCaller('operator', ['operations:write'])],
  ])('changes the row as the function `move` does: decided by %s', async (_, caller) => {
    const before = await inserted(LOST_VERIFICATION);
    const resolution = { outcome: 'not_done', reason: 'asked upstream' } as const;
    const claimed = await module.get(OnboardingService).resolve(before.id, resolution, { ...terms, caller });
    const by = caller.name === before.caller ? {} : { by: caller.name };
    const decision: NewEvent = {
      type: 'resolved',
      actor: 'caller',
      data: { ...by, ...resolution, step: 'verify-otp', attempt: 3 },
    };
    const facts = { decision, ...by, fingerprint: claimed.fingerprint! };
    await expectMoved(before, claimed, moveOf(before, claimed, 'resolved_not_done', facts));
  });
});

describe('the SQL that begins a verification', () => {
  const verify = (id: string) =>
    module.get(OtpService).verify(id, { type: 'code', code: new Secret('123456') }, terms);
  const factsOf = ({ fingerprint, sealedOtpCode }: Row) => ({
    fingerprint: fingerprint!,
    sealedOtpCode: sealedOtpCode!,
  });

  it('changes the row as the function `move` does, if no budget is used up', async () => {
    const before = await inserted({ otp_sent_at: inMs(-5_000) });
    const claimed = await verify(before.id);
    expect(claimed.sealedOtpCode).toBeInstanceOf(Buffer);
    await expectMoved(before, claimed, moveOf(before, claimed, 'otp_submitted', factsOf(claimed)));
  });

  it('delays the next resend until the subject’s budget for sends has room again', async () => {
    const before = await inserted();
    const sentAt = new Date(before.now.getTime() - 1_000);
    await dataSource.query(
      'UPDATE otp_budgets SET sends = array_fill($1::timestamptz, ARRAY[$2::int]) WHERE subject_key = $3',
      [sentAt, config.OTP_SENDS_PER_WINDOW, before.subjectKey],
    );
    const claimed = await verify(before.id);
    const moved = moveOf(before, claimed, 'otp_submitted', factsOf(claimed));
    const byBudget = new Date(sentAt.getTime() + config.OTP_SEND_WINDOW_MS);
    expect(byBudget.getTime()).toBeGreaterThan(moved.patch.otpResendAt!.getTime());
    await expectMoved(before, claimed, { ...moved, patch: { ...moved.patch, otpResendAt: byBudget } });
  });

  it('counts its own try: the last try of the day delays the next resend', async () => {
    const before = await inserted();
    const firstWrongAt = new Date(before.now.getTime() - 3_600_000);
    await dataSource.query(
      `UPDATE otp_budgets SET wrong_codes = array_fill($1::timestamptz, ARRAY[$2::int])
      WHERE subject_key = $3`,
      [firstWrongAt, config.OTP_WRONG_PER_DAY - 1, before.subjectKey],
    );
    const claimed = await verify(before.id);
    const moved = moveOf(before, claimed, 'otp_submitted', factsOf(claimed));
    const otpResendAt = new Date(firstWrongAt.getTime() + DAY_MS);
    await expectMoved(before, claimed, { ...moved, patch: { ...moved.patch, otpResendAt } });
  });
});

describe('the SQL that begins a creation of passkeys', () => {
  it('changes the row as the function `move` does', async () => {
    const before = await inserted({ ...SESSION, state: 'otp_verified' });
    await dataSource.query(
      `INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
       VALUES ($1, 'challenge', clock_timestamp() + interval '1 minute')`,
      [before.id],
    );
    const submitted = { sealedAuthenticators: Buffer.from('passkeys'), pendingAuthenticators: [PASSKEY] };
    const claimed = (await store.claimAuthenticators(givenTo(before.id), {
      ...submitted,
      challenges: ['challenge'],
      maxAuthenticators: 10,
    }))!;
    const facts = { ...submitted, fingerprint: 'print' };
    await expectMoved(before, claimed, moveOf(before, claimed, 'authenticators_submitted', facts));
  });

  it('writes nothing if a challenge was deleted while it waited for the lock of the onboarding', async () => {
    const { id } = await inserted({ ...SESSION, state: 'otp_verified' });
    await dataSource.query(
      `INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
       SELECT $1, name, clock_timestamp() + interval '1 minute' FROM unnest('{one,other}'::text[]) AS name`,
      [id],
    );
    const other = dataSource.createQueryRunner();
    await other.startTransaction();
    await other.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [id]);
    await other.query(`DELETE FROM webauthn_challenges WHERE onboarding_id = $1 AND challenge = 'one'`, [id]);
    const claiming = store.claimAuthenticators(givenTo(id), {
      sealedAuthenticators: Buffer.from('passkeys'),
      pendingAuthenticators: ['r-1', 'r-2'].map((credentialId) => ({ ...PASSKEY, credentialId })),
      challenges: ['one', 'other'],
      maxAuthenticators: 10,
    });
    await until('the claim waits', async () => {
      const waiting = `SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      return (await dataSource.query(waiting)).length > 0;
    });
    await other.commitTransaction();
    await other.release();
    expect(await claiming).toBeNull();
    const challenges =
      'SELECT challenge FROM webauthn_challenges WHERE onboarding_id = $1 ORDER BY challenge';
    const kept = await dataSource.query<{ challenge: string }[]>(challenges, [id]);
    expect(kept).toEqual([{ challenge: 'other' }]);
  });
});

describe('the SQL that begins a retry', () => {
  const WAITING = { lease_until: null, next_attempt_at: inMs(-100), sealed_requests: Buffer.from('kept') };

  /** The changes of a further attempt. `move` does not make them, because the state does not change. */
  function nextTry(before: RowInStep, claimed: Row): Moved {
    const attempt = before.attempt + 1;
    const { now } = at(claimed);
    const opened = { step: before.step, attempt, at: now.toISOString() };
    return {
      patch: {
        attempt,
        nextAttemptAt: null,
        leaseUntil: new Date(now.getTime() + config.LEASE_MS),
        ...(canLeaveDoubt(before.step) && { unresolved: [...before.unresolved, opened] }),
      },
      events: [
        {
          type: 'attempt_started',
          actor: 'service',
          data: { attempt, step: before.step, fingerprint: before.fingerprint },
        },
      ],
      refund: null,
    };
  }

  it.each<[string, number, Record<string, unknown>]>([
    ['init-otp, which is charged', 1, { state: 'otp_requested', step: 'init-otp' }],
    [
      'init-otp, which cannot mail twice',
      0,
      { provider: 'turnkey', state: 'otp_requested', step: 'init-otp', unavailable_count: 1 },
    ],
    [
      'verify-otp',
      0,
      { state: 'otp_submitted', step: 'verify-otp', doubt_attempt: 3, sealed_otp_code: Buffer.from('code') },
    ],
    [
      'create-authenticators',
      0,
      {
        ...SESSION,
        state: 'authenticators_submitted',
        step: 'create-authenticators',
        pending_authenticators: [PASSKEY],
        sealed_authenticators: Buffer.from('passkeys'),
      },
    ],
  ])('changes the row as the function `move` does: %s', async (_, charges, columns) => {
    const before = (await inserted({ ...WAITING, ...columns })) as RowInStep;
    const claimed = (await module.get(Claims).retry(before))!.row;
    await expectMoved(before, claimed, nextTry(before, claimed));
    const [budget] = await dataSource.query(
      'SELECT cardinality(sends) AS sends FROM otp_budgets WHERE subject_key = $1',
      [before.subjectKey],
    );
    expect(budget).toEqual({ sends: charges });
  });
});

describe('the SQL that starts an onboarding', () => {
  const started = (subjectKey: string = randomUUID()): Started => ({
    id: uuidV7(Date.now()),
    caller: 'shop',
    integration: 'byzantine',
    provider: 'turnkey',
    subject: { accountId: 'a', userId: 'u' },
    subjectKey,
    sealedContact: Buffer.from('contact'),
    sealedDataKey: Buffer.from('key'),
    dataKeyId: 'test',
    otpChoice: { otpLength: 6 } as Started['otpChoice'],
    externalRef: 'ref',
    metadata: { plan: 'pro' },
    sealedRequests: Buffer.from('once'),
    fingerprint: 'print',
  });

  /** `createdAt` is the time in the id. `updatedAt` is the time of the write. */
  async function expectFirst(given: Started, row: Row): Promise<void> {
    const now = new Date(row.leaseUntil!.getTime() - config.LEASE_MS);
    const { updatedAt } = row;
    expect(updatedAt.getTime()).toBeGreaterThanOrEqual(now.getTime());
    expect(updatedAt.getTime()).toBeLessThanOrEqual(row.now.getTime());
    const createdAt = new Date(timeOfUuidV7(given.id));
    const expected = claimedRow({ ...firstRow(given, now, config), createdAt, updatedAt });
    expect(withoutNow(row)).toEqual(expected);
    expect(withoutNow((await store.find(row.id))!)).toEqual(expected);
    expect(await eventsAfter({ ...row, lastSeq: 0 })).toEqual([
      { seq: 1, type: 'created', actor: 'caller', data: {} },
      {
        seq: 2,
        type: 'attempt_started',
        actor: 'service',
        data: { attempt: 1, step: 'init-otp', fingerprint: 'print' },
      },
    ]);
    expect(await store.findLatest(given.integration, given.subjectKey)).toMatchObject({ id: given.id });
  }

  it('writes the row, and records it as the subject’s live onboarding', async () => {
    const given = started();
    await expectFirst(given, (await store.start(given, aClaim(), undefined, {}))!);
  });

  it('cancels the earlier onboarding that it supersedes', async () => {
    const before = await inserted({
      ...SESSION,
      state: 'authenticators_submitted',
      step: 'create-authenticators',
      lease_until: inMs(30_000),
      sealed_authenticators: Buffer.from('passkeys'),
      pending_authenticators: [PASSKEY],
      doubt_attempt: 4,
    });
    const moved = move(before, 'cancelled', { reason: 'superseded' }, { now: before.now, settings: config });
    const given = started(before.subjectKey);
    await expectFirst(
      given,
      (await store.start(given, aClaim(), undefined, { superseded: { row: before, moved } }))!,
    );
    const cancelled = (await store.find(before.id))!;
    const expected = after(before, moved, cancelled.updatedAt);
    // The statement sets the due time of the cancelled row to PostgreSQL's present time.
    expect(Math.abs(cancelled.dueAt!.getTime() - expected.dueAt!.getTime())).toBeLessThan(1_000);
    expect(withoutNow({ ...cancelled, dueAt: expected.dueAt } as Row)).toEqual(withoutNow(expected));
    expect((await eventsAfter(before)).map(({ seq, type }) => [seq, type])).toEqual([
      [12, 'cancelled'],
      [13, 'secrets_wiped'],
    ]);
  });
});
