import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { Secret, uuidV7 } from '#libs/kernel';
import { OtpService } from '#libs/otp';
import { CONFIG, type Config } from '#libs/platform';
import { aClaim, aCaller, anOnboarding, inMs } from '#libs/testing';
import { Claims } from '../attempt/claim.js';
import { StepRunner } from '../attempt/run.js';
import { Settlement } from '../attempt/settle.js';
import type { StepEnd } from '../attempt/step.js';
import type { AttemptEnd } from '../attempt/verdict.js';
import { OnboardingService } from '../commands/onboarding.service.js';
import { openWithSteps } from '../fixtures/open-with-steps.js';
import { failure } from '../fixtures/verify-step.js';
import { keepLateAnswer, move, unpark } from '../flow/move.js';
import { dueOf, type Row, type RowInStep } from '../flow/row.js';
import { isEnded } from '../flow/table.js';
import { Timelines } from '../upkeep/timelines.js';
import { Expiry } from '../upkeep/expire.js';
import { OnboardingStore } from './onboarding.store.js';

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

const terms = { caller: aCaller(), waitMs: 0 };
const PASSKEY = { name: 'laptop', credentialId: 'c-1', aaguid: randomUUID(), transports: [] };
const open = (step: string, attempt: number) => ({ step, attempt, at: '2026-11-20T10:00:00.000Z' });

type Columns = Record<string, unknown>;
const RESENDABLE: Columns = { otp_resend_at: inMs(-1_000) };
const SENDING: Columns = { state: 'otp_requested', step: 'init-otp', attempt: 1, submission: 1 };
const VERIFYING: Columns = {
  state: 'otp_submitted',
  step: 'verify-otp',
  attempt: 2,
  submission: 2,
  sealed_otp_code: Buffer.from('code'),
  unresolved: [open('verify-otp', 2)],
};
const VERIFIED: Columns = {
  state: 'otp_verified',
  attempt: 2,
  submission: 2,
  sealed_grant: Buffer.from('grant'),
  session_ends_at: inMs(600_000),
};
const CREATING: Columns = {
  ...VERIFIED,
  state: 'authenticators_submitted',
  step: 'create-authenticators',
  attempt: 3,
  submission: 3,
  sealed_authenticators: Buffer.from('passkeys'),
  pending_authenticators: [PASSKEY],
  unresolved: [open('create-authenticators', 3)],
};
const IN_FLIGHT: Columns = { lease_until: inMs(30_000) };
const LAPSED: Columns = { lease_until: inMs(-1_000) };
const WAITING: Columns = { next_attempt_at: inMs(-100) };
const PARKED: Columns = { parked_reason: 'upstream_misconfigured', parked_at: inMs(-100), parkings: 1 };
const LOST_VERIFICATION: Columns = { ...VERIFYING, state: 'outcome_unknown', doubt_attempt: 2 };
const LOST_CREATION: Columns = { ...CREATING, state: 'outcome_unknown', doubt_attempt: 3 };

type Act = (row: Row) => Promise<unknown>;

const settle =
  (end: AttemptEnd): Act =>
  (row) =>
    module.get(Settlement).settle(row, end);
const failed = (...of: Parameters<typeof failure>) =>
  settle({ type: 'failed', error: failure(...of), durationMs: 0 });
const succeeded = (end: StepEnd) => settle({ type: 'succeeded', end, durationMs: 0 });
const sent = succeeded({ signal: 'otp_sent', facts: { handle: 'h', targetBundle: null, lifeMs: null } });
const verified: Act = (row) =>
  succeeded({
    signal: 'otp_verified',
    facts: {
      sealedGrant: Buffer.from('grant'),
      deviceSigning: null,
      sessionExpiresAt: new Date(row.now.getTime() + 600_000),
    },
  })(row);
const created = succeeded({ signal: 'authenticators_created', facts: { authenticatorIds: null } });
const misconfigured = failed('misconfigured', { status: 401 });

const retry: Act = (row) => module.get(Claims).retry(row as RowInStep);
const resolve =
  (outcome: 'done' | 'not_done'): Act =>
  ({ id }) =>
    module.get(OnboardingService).resolve(id, { outcome, reason: 'r' }, terms);
const cancel: Act = ({ id }) => module.get(OnboardingService).cancel(id, undefined, terms);
const expire: Act = ({ id }) => module.get(Expiry).runFor(id);
const keepAnswer: Act = (row) =>
  store.keepAnswer(row, keepLateAnswer(row, { step: 'verify-otp', attempt: 1, class: 'ok' }));

const given = (id: string) => ({
  id,
  by: { caller: null, integrations: null },
  versions: undefined,
  key: undefined,
  fingerprint: 'f',
  claim: aClaim(),
});

const submitPasskeys: Act = async ({ id }) => {
  await dataSource.query(
    `INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
     VALUES ($1, 'c', clock_timestamp() + interval '1 minute')`,
    [id],
  );
  return store.claimAuthenticators(given(id), {
    sealedAuthenticators: Buffer.from('passkeys'),
    pendingAuthenticators: [PASSKEY],
    challenges: ['c'],
    maxAuthenticators: 10,
  });
};

const start = (row: Row, supersedes: boolean) => {
  const moved = move(row, 'cancelled', {}, { now: row.now, settings: config });
  const id = uuidV7(Date.now());
  const { caller, integration, provider, subject, otpChoice, externalRef, metadata } = row;
  const started = {
    id,
    caller,
    integration,
    provider,
    subject,
    otpChoice,
    externalRef,
    metadata,
    subjectKey: supersedes ? row.subjectKey : randomUUID(),
    sealedContact: null,
    sealedDataKey: null,
    dataKeyId: null,
    sealedRequests: null,
    fingerprint: 'f',
  };
  return store.start(started, aClaim(), undefined, supersedes ? { superseded: { row, moved } } : {});
};

/** Each write: its name, the columns of the row before, the action, and the state afterwards. */
const WRITES: [string, Columns, Act, string][] = [
  ['a start that supersedes', {}, (row) => start(row, true), 'cancelled'],
  ['a resend', RESENDABLE, ({ id }) => module.get(OtpService).resend(id, {}, terms), 'otp_requested'],
  ['a decision that sends a new code', LOST_VERIFICATION, resolve('not_done'), 'otp_requested'],
  [
    'a verification',
    {},
    ({ id }) => module.get(OtpService).verify(id, { type: 'code', code: new Secret('123456') }, terms),
    'otp_submitted',
  ],
  ['a submission of passkeys', VERIFIED, submitPasskeys, 'authenticators_submitted'],
  ['a charged retry', { ...SENDING, ...WAITING }, retry, 'otp_requested'],
  ['a retry without a charge', { ...VERIFYING, ...WAITING }, retry, 'otp_submitted'],

  ['a code that was sent', { ...SENDING, ...IN_FLIGHT }, sent, 'otp_sent'],
  ['a sending that is tried again', { ...SENDING, ...IN_FLIGHT }, failed('not_sent'), 'otp_requested'],
  [
    'a sending that is parked',
    { ...SENDING, ...IN_FLIGHT, otp_handle: null },
    misconfigured,
    'otp_requested',
  ],
  [
    'a sending that gave up',
    { ...SENDING, ...IN_FLIGHT, no_answer_count: 1 },
    failed('throttled', { status: 429 }),
    'otp_needed',
  ],
  [
    'a sending that failed',
    { ...SENDING, ...IN_FLIGHT, otp_sent_at: null, otp_handle: null },
    failed('rejected'),
    'failed',
  ],
  ['a code that was right', { ...VERIFYING, ...IN_FLIGHT }, verified, 'otp_verified'],
  [
    'a code that was wrong',
    { ...VERIFYING, ...IN_FLIGHT },
    failed('rejected', { status: 400, reason: 'otp_invalid' }),
    'otp_sent',
  ],
  [
    'a verification that is tried again',
    { ...VERIFYING, ...IN_FLIGHT },
    failed('unavailable'),
    'otp_submitted',
  ],
  [
    'a verification that is tried again just before its code ends',
    { ...VERIFYING, ...IN_FLIGHT, otp_expires_at: inMs(63_000) },
    failed('throttled', { status: 429, retryAfterMs: 49_000 }),
    'otp_submitted',
  ],
  ['a verification that is parked', { ...VERIFYING, ...IN_FLIGHT }, misconfigured, 'otp_submitted'],
  ['a verification that was lost', { ...VERIFYING, ...IN_FLIGHT }, failed('no_answer'), 'outcome_unknown'],
  ['passkeys that were created', { ...CREATING, ...IN_FLIGHT }, created, 'completed'],
  ['passkeys that were refused', { ...CREATING, ...IN_FLIGHT }, failed('rejected'), 'otp_verified'],
  [
    'a creation that is tried again',
    { ...CREATING, ...IN_FLIGHT },
    failed('no_answer'),
    'authenticators_submitted',
  ],
  [
    'a takeover',
    { ...VERIFYING, ...LAPSED },
    (row) => module.get(StepRunner).takeOver(row),
    'outcome_unknown',
  ],
  [
    'a late answer that decides',
    LOST_VERIFICATION,
    (row) => verified({ ...row, state: 'otp_submitted' } as Row),
    'otp_verified',
  ],

  ['a late answer to a live row', {}, keepAnswer, 'otp_sent'],
  ['a late answer to a row in flight', { ...VERIFYING, ...IN_FLIGHT }, keepAnswer, 'otp_submitted'],
  ['a late answer to an ended row', { state: 'cancelled' }, keepAnswer, 'cancelled'],
  ['a cancellation', {}, cancel, 'cancelled'],
  ['a cancellation of a call in flight', { ...VERIFYING, ...IN_FLIGHT }, cancel, 'cancelled'],
  [
    'a retry by hand',
    { ...VERIFYING, next_attempt_at: inMs(20_000) },
    ({ id }) => module.get(OnboardingService).retry(id, 'r', terms),
    'otp_submitted',
  ],
  [
    'a parked step that goes on',
    { ...VERIFYING, ...PARKED },
    (row) => store.command(row, unpark(row.now)),
    'otp_submitted',
  ],
  ['a decision "done"', LOST_CREATION, resolve('done'), 'completed'],
  ['a decision "not done"', LOST_CREATION, resolve('not_done'), 'otp_verified'],
  [
    'a decision on an ended row',
    { ...LOST_CREATION, state: 'cancelled', step: null },
    resolve('done'),
    'cancelled',
  ],
  ['a delayed try', { ...VERIFYING, ...WAITING }, (row) => store.putOff(row, 5_000), 'otp_submitted'],
  [
    'a try that is delayed until after its code ends',
    { ...VERIFYING, ...WAITING },
    (row) => store.putOff(row, 900_000),
    'otp_submitted',
  ],

  ['the end of a code', { otp_expires_at: inMs(-1) }, expire, 'otp_needed'],
  ['the end of a session', { ...VERIFIED, session_ends_at: inMs(-1) }, expire, 'otp_needed'],
  [
    'the end of a session in doubt',
    { ...CREATING, ...LAPSED, session_ends_at: inMs(-1) },
    expire,
    'outcome_unknown',
  ],
  ['the end of an onboarding', { idle_ends_at: inMs(-1) }, expire, 'expired'],

  ['an erasure', {}, ({ id }) => module.get(OnboardingService).erase(id, terms), 'cancelled'],
];

/**
 * Checks a due time to the millisecond; for an ended row, only that it is the time of a write after `from`.
 */
function expectExact(row: Row, from: Date): void {
  const due = dueOf(row, row.now);
  if (!isEnded(row.state) || due === null) {
    expect(row.dueAt).toEqual(due);
    return;
  }
  expect(row.dueAt!.getTime()).toBeGreaterThanOrEqual(from.getTime());
  expect(row.dueAt!.getTime()).toBeLessThanOrEqual(row.now.getTime());
}

describe('the due time of a row is correct after', () => {
  it.each(WRITES)('%s', async (_, columns, act, state) => {
    const id = await anOnboarding(dataSource, columns);
    // A write that does not set the column leaves this value, which the test notices.
    await dataSource.query(`UPDATE onboardings SET due_at = '2001-01-01' WHERE id = $1`, [id]);
    const before = (await store.find(id))!;
    await act(before);
    const row = (await store.find(id))!;
    expect(row.state).toBe(state);
    expectExact(row, new Date(before.now.getTime() - 1));
  });

  it('the start of the onboarding', async () => {
    const other = (await store.find(await anOnboarding(dataSource)))!;
    const row = (await start(other, false))!;
    expectExact((await store.find(row.id))!, other.now);
  });

  it('the storage of its timeline’s hash: the row is no longer due', async () => {
    const id = await anOnboarding(dataSource, {});
    await cancel((await store.find(id))!);
    await module.get(Timelines).anchor();
    const row = (await store.find(id))!;
    expect([row.anchoredSeq, row.dueAt]).toEqual([row.lastSeq, null]);
    expect(dueOf(row, row.now)).toBeNull();
  });
});
