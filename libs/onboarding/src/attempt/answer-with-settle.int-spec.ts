import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PreparedStatements } from '#libs/database';
import { anOnboarding, inMs } from '#libs/testing';
import { failure, VerifyStep } from '../fixtures/verify-step.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import type { Row } from '../flow/row.js';
import { IdempotencyKeys } from '../store/idempotency-keys.js';
import type { KeyToTake } from '../store/onboarding.store.js';
import { AnswerWithSettle, type AnswerMaker } from './answer-with-settle.js';
import { Settlement } from './settle.js';
import type { AttemptEnd } from './verdict.js';

const WRONG_PER_DAY = 5;
const step = new VerifyStep();
let onboardings: Onboardings;
let keys: IdempotencyKeys;
let settlement: Settlement;
beforeAll(async () => {
  onboardings = await openOnboardings([step], { OTP_WRONG_PER_DAY: String(WRONG_PER_DAY) });
  keys = onboardings.module.get(IdempotencyKeys);
  settlement = onboardings.module.get(Settlement);
});
afterAll(() => onboardings.close());
afterEach(() => void jest.restoreAllMocks());

/** Inserts an onboarding whose attempt is in flight, and the idempotency key of its command. */
async function inFlight() {
  const { dataSource } = onboardings;
  const id = await anOnboarding(dataSource, {
    state: 'otp_submitted',
    step: 'verify-otp',
    attempt: 2,
    submission: 2,
    lease_until: inMs(30_000),
    sealed_otp_code: Buffer.from('code'),
    otp_tries_left: 3,
    unresolved: [{ step: 'verify-otp', attempt: 2, at: '2026-11-20T10:00:00.000Z' }],
  });
  const key: KeyToTake = {
    caller: 'default',
    route: 'POST /v1/onboardings/:id/otp/verify',
    key: randomUUID(),
    fingerprint: 'f',
    id: randomUUID(),
    lockMs: 1_000,
  };
  await dataSource.query(
    `INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id)
    VALUES ($1, $2, $3, $4, $5, $6)`,
    [key.caller, key.route, key.key, key.fingerprint, key.id, id],
  );
  return { row: await onboardings.load(id), key };
}

const answerOf = ({ id, state, version, otpTriesLeft, updatedAt }: Row) => ({
  status: 200,
  headers: { etag: `"${version}"` },
  body: JSON.stringify({ id, state, otpTriesLeft, updatedAt }),
});
const offer = (key: KeyToTake, answer: AnswerMaker = { from: answerOf }) =>
  new AnswerWithSettle(answer, key, keys, (row) => row);

const succeeded = (): AttemptEnd => ({ type: 'succeeded', end: step.verified, durationMs: 40 });
const wrongCode = (): AttemptEnd => ({
  type: 'failed',
  error: failure('rejected', { status: 400, reason: 'otp_invalid' }),
});

describe('an answer that is offered to the settle', () => {
  it('is written by the same statement, and shows the row as it is stored', async () => {
    const { row, key } = await inFlight();
    const answer: AnswerMaker = { from: answerOf };
    const answering = offer(key, answer);
    const run = jest.spyOn(onboardings.module.get(PreparedStatements), 'run');
    await settlement.settle(row, succeeded(), answering);
    const names = run.mock.calls.map(([{ name }]) => name);
    expect(names.filter((name) => /settle|answer/.test(name!))).toEqual(['gw_settle_verify']);
    const stored = await onboardings.load(row.id);
    expect(answering.row).toMatchObject({ ...stored, now: stored.updatedAt });
    expect(answer.stored).toEqual(answerOf(stored));
    expect(await keys.find(key)).toMatchObject({ answer: answerOf(stored) });
  });

  it.each<[string, AttemptEnd]>([
    ['the step is tried again', { type: 'failed', error: failure('unavailable', { status: 503 }) }],
    ['the onboarding is parked', { type: 'integration_missing' }],
  ])('is not written if %s', async (_, end) => {
    const { row, key } = await inFlight();
    const answering = offer(key);
    await settlement.settle(row, end, answering);
    expect(answering.row).toBeNull();
    expect(await keys.find(key)).toMatchObject({ answer: null });
  });

  it('is not written if the command is answered with an error', async () => {
    const { row, key } = await inFlight();
    const answering = offer(key, { from: () => null });
    expect(await settlement.settle(row, succeeded(), answering)).toMatchObject({ state: 'otp_verified' });
    expect(answering.row).toBeNull();
    expect(await keys.find(key)).toMatchObject({ answer: null });
  });

  it('is not written if PostgreSQL stores another row than the answer shows', async () => {
    const { row, key } = await inFlight();
    await onboardings.dataSource.query(
      `INSERT INTO otp_budgets (integration, subject_key, wrong_codes)
      VALUES ($1, $2, array_fill(clock_timestamp(), ARRAY[$3::int]))
      ON CONFLICT (integration, subject_key) DO UPDATE SET wrong_codes = excluded.wrong_codes`,
      [row.integration, row.subjectKey, WRONG_PER_DAY],
    );
    const answer: AnswerMaker = { from: jest.fn(answerOf) };
    const answering = offer(key, answer);
    expect(await settlement.settle(row, wrongCode(), answering)).toMatchObject({ otpTriesLeft: 0 });
    expect(answer.from).toHaveBeenCalledWith(expect.objectContaining({ state: 'otp_sent', otpTriesLeft: 2 }));
    expect(answering.row).toBeNull();
    expect(await keys.find(key)).toMatchObject({ answer: null });
  });

  it('does not replace an answer that the key already has', async () => {
    const { row, key } = await inFlight();
    await keys.answer(key, { status: 202, headers: {}, body: 'first' });
    const answering = offer(key);
    expect(await settlement.settle(row, succeeded(), answering)).toMatchObject({ state: 'otp_verified' });
    expect(answering.row).toBeNull();
    expect(await keys.find(key)).toMatchObject({ answer: { body: 'first' } });
  });

  it('is not offered again if the first write fails', async () => {
    const { row, key } = await inFlight();
    const answering = offer(key);
    const away = Object.assign(new Error('gone'), { code: '57P01' });
    jest.spyOn(onboardings.module.get(PreparedStatements), 'run').mockRejectedValueOnce(away);
    expect(await settlement.settle(row, succeeded(), answering)).toMatchObject({ state: 'otp_verified' });
    expect(answering.row).toBeNull();
    expect(await keys.find(key)).toMatchObject({ answer: null });
  });

  it('does not stop the settle if its maker throws', async () => {
    const { row, key } = await inFlight();
    const answering = offer(key, {
      from: () => {
        throw new Error('a bug');
      },
    });
    expect(await settlement.settle(row, succeeded(), answering)).toMatchObject({ state: 'otp_verified' });
    expect(answering.row).toBeNull();
  });
});
