import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { anOnboarding, inMs } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { asOfNow } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import {
  LIVE_STATES,
  SEALED,
  STATES,
  STEPS,
  isEnded,
  needs,
  stateOfStep,
  stepOfState,
} from '../flow/table.js';
import { showsOneOf } from '../store/shown-state.js';
import { Expiry } from './expire.js';

const BATCH = 3;

let onboardings: Onboardings;
let expiry: Expiry;
beforeAll(async () => {
  onboardings = await openOnboardings([], { EXPIRY_BATCH: String(BATCH) });
  expiry = onboardings.module.get(Expiry);
});
afterAll(() => onboardings.close());
beforeEach(() => empty());

/** TRUNCATE would be too slow here: the tests empty the table sixty times. */
const empty = () => onboardings.dataSource.query('DELETE FROM onboardings');

/** Future times are so late that even a slow test ends before them. */
const past = fc.integer({ min: -86_400_000, max: -1 }).map(inMs);
const future = fc.integer({ min: 60_000, max: 86_400_000 }).map(inMs);
const instant = fc.oneof(past, future);
const perhaps = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const sealed = perhaps(fc.constant(Buffer.from('sealed')));

const anyRow = fc
  .record({
    state: fc.constantFrom(...LIVE_STATES),
    step: fc.constantFrom('verify-otp', 'create-authenticators'),
    version: fc.integer({ min: 1, max: 1000 }),
    otp_expires_at: perhaps(instant),
    session_ends_at: perhaps(instant),
    idle_ends_at: instant,
    life_ends_at: instant,
    lease_until: perhaps(instant),
    next_attempt_at: perhaps(instant),
    doubt_attempt: perhaps(fc.constant(1)),
    parked: fc.boolean(),
    sealed_otp_code: sealed,
    sealed_grant: sealed,
    sealed_authenticators: sealed,
  })
  .map(({ parked, step, ...row }) => ({
    ...row,
    step: row.state === 'outcome_unknown' ? step : stepOfState(row.state),
    reason: row.state === 'otp_needed' ? 'send_failed' : null,
    attempt: 1,
    ...(parked && { parked_reason: 'integration_missing', parked_at: inMs(-1000) }),
  }));

/** In these columns, the expiry must write the values that a read shows before the expiry. */
const MOVED = [
  'state',
  'version',
  'reason',
  'step',
  'leaseUntil',
  'nextAttemptAt',
  'parkedReason',
  'parkedAt',
] as const satisfies (keyof Row)[];
const movedBy = (row: Row) => Object.fromEntries(MOVED.map((column) => [column, row[column]]));

async function shownStates(): Promise<Map<string, string[]>> {
  const shown = new Map<string, string[]>();
  for (const state of STATES) {
    const rows: { id: string }[] = await onboardings.dataSource.query(
      `SELECT o.id FROM onboardings o WHERE ${showsOneOf([state], `ARRAY['${state}']`)}`,
    );
    for (const { id } of rows) shown.set(id, [...(shown.get(id) ?? []), state]);
  }
  return shown;
}

const withoutNow = (row: Row) => ({ ...row, now: null });

describe('the expiry batch', () => {
  it('writes the states that a read shows, and skips rows in flight or before their deadline', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { minLength: 1, maxLength: 7 }), async (rows) => {
        await empty();
        const ids: string[] = [];
        for (const row of rows) ids.push(await anOnboarding(onboardings.dataSource, row));

        const before = await Promise.all(ids.map(onboardings.load));
        const shown = await shownStates();
        const counts = await expiry.run();
        const after = await Promise.all(ids.map(onboardings.load));

        let moved = 0;
        for (const [index, row] of before.entries()) {
          const read = asOfNow(row);
          const written = after[index]!;
          expect(movedBy(written)).toEqual(movedBy(read));
          expect(shown.get(row.id)).toEqual([read.state]);
          if (read === row) {
            expect(withoutNow(written)).toEqual(withoutNow(row));
            continue;
          }
          moved += read.version - row.version;
          expect(row.leaseUntil === null || row.leaseUntil < row.now).toBe(true);
          const wiped = SEALED.filter((field) => row[field] !== null && !needs(written.state, field));
          for (const field of SEALED) {
            expect(written[field]).toEqual(wiped.includes(field) ? null : row[field]);
          }
          const types = await onboardings.eventTypes(row.id);
          const changes = types.filter((type) => type !== 'secrets_wiped');
          expect(changes).toHaveLength(read.version - row.version);
          expect(types.includes('secrets_wiped')).toBe(wiped.length > 0);
          expect(written.lastSeq).toBe(types.length);
          if (!isEnded(written.state)) expect(written.dueAt).toEqual(read.dueAt);
          else expect(written.dueAt!.getTime()).toBeLessThanOrEqual(written.now.getTime());
        }
        expect(counts.codes + counts.sessions + counts.onboardings + counts.outcomesLost).toBe(moved);
      }),
      { numRuns: 60 },
    );
  });

  it('works in batches until no passed deadline is left, and counts each kind of expiry', async () => {
    const { dataSource } = onboardings;
    const due = { otp_expires_at: inMs(-1), session_ends_at: inMs(-1) };
    for (let n = 0; n < 2 * BATCH + 1; n++) await anOnboarding(dataSource, due);
    for (let n = 0; n < 2; n++) await anOnboarding(dataSource, { ...due, state: 'otp_verified' });
    await anOnboarding(dataSource, { idle_ends_at: inMs(-1) });
    await anOnboarding(dataSource, {
      ...due,
      state: 'otp_submitted',
      step: 'verify-otp',
      doubt_attempt: 2,
      attempt: 2,
    });
    expect(await expiry.run()).toEqual({
      codes: 2 * BATCH + 1,
      sessions: 2,
      onboardings: 1,
      outcomesLost: 1,
    });
    expect(await expiry.run()).toEqual({ codes: 0, sessions: 0, onboardings: 0, outcomesLost: 0 });
  });

  it('writes changes of state in the order of their deadlines, as reads show them', async () => {
    const { dataSource, load, eventTypes } = onboardings;
    const both = { otp_expires_at: inMs(-2000), idle_ends_at: inMs(-1000) };
    const idle = await anOnboarding(dataSource, both);
    const doubtful = { state: 'otp_submitted', step: 'verify-otp', attempt: 2, doubt_attempt: 2 };
    const lost = await anOnboarding(dataSource, { ...both, ...doubtful });
    const seen = asOfNow(await load(idle));
    expect(seen).toMatchObject({ state: 'expired', version: 3 });
    await expiry.run();
    expect(await load(idle)).toMatchObject({ state: 'expired', version: 3 });
    expect(await eventTypes(idle)).toEqual(['otp_expired', 'expired']);
    // The idle time has passed too, but it does not end an onboarding whose outcome is unknown.
    expect(await load(lost)).toMatchObject({ state: 'outcome_unknown', version: 2 });
  });

  it('expires each row only once, even if several workers run at the same time', async () => {
    const { dataSource } = onboardings;
    const ids: string[] = [];
    for (let n = 0; n < 40; n++) ids.push(await anOnboarding(dataSource, { otp_expires_at: inMs(-1) }));
    const counts = await Promise.all([expiry.run(), expiry.run(), expiry.run()]);
    const left = await expiry.run();
    expect([...counts, left].reduce((sum, { codes }) => sum + codes, 0)).toBe(40);
    const rows = await Promise.all(ids.map(onboardings.load));
    expect(new Set(rows.map(({ version, lastSeq, state }) => `${state} ${version} ${lastSeq}`))).toEqual(
      new Set(['otp_needed 2 1']),
    );
  });

  it('skips a row that another statement is writing, and takes it in the next run', async () => {
    const { dataSource } = onboardings;
    const held = await anOnboarding(dataSource, { otp_expires_at: inMs(-1) });
    const free = await anOnboarding(dataSource, { otp_expires_at: inMs(-1) });
    const writer = dataSource.createQueryRunner();
    await writer.startTransaction();
    await writer.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [held]);
    expect(await expiry.run()).toMatchObject({ codes: 1 });
    expect((await onboardings.load(free)).state).toBe('otp_needed');
    await writer.rollbackTransaction();
    await writer.release();
    expect(await expiry.run()).toMatchObject({ codes: 1 });
  });

  it('records whether a step whose time ran out may have had an effect', async () => {
    const { dataSource, load } = onboardings;
    const unresolved = [{ step: 'verify-otp', attempt: 4, at: '2026-11-20T10:00:00.000Z' }];
    const flying = { state: 'otp_submitted', step: 'verify-otp', attempt: 4, otp_expires_at: inMs(-1) };
    const waiting = await anOnboarding(dataSource, { ...flying, next_attempt_at: inMs(5000) });
    const dead = await anOnboarding(dataSource, { ...flying, lease_until: inMs(-1), unresolved });
    await expiry.run();
    expect(await load(waiting)).toMatchObject({
      state: 'otp_needed',
      reason: 'otp_expired',
      lastResult: { step: 'verify-otp', code: 'otp_expired' },
    });
    const doubtful = await load(dead);
    expect(doubtful).toMatchObject({ state: 'outcome_unknown', step: 'verify-otp', unresolved });
    expect(doubtful.lastResult).toMatchObject({
      code: 'outcome_unknown',
      at: expect.stringMatching(/^\d{4}-.+\.\d{3}Z$/),
    });
  });
});

describe('the expiry of one onboarding', () => {
  it('changes only this onboarding, if its deadline has passed', async () => {
    const { dataSource, load } = onboardings;
    const [one, other] = [
      await anOnboarding(dataSource, { otp_expires_at: inMs(-1) }),
      await anOnboarding(dataSource, { otp_expires_at: inMs(-1) }),
    ];
    await expiry.runFor(one);
    expect((await load(one)).state).toBe('otp_needed');
    expect((await load(other)).state).toBe('otp_sent');
  });

  it('changes nothing while a step is in flight', async () => {
    for (const step of STEPS) {
      const id = await anOnboarding(onboardings.dataSource, {
        state: stateOfStep(step),
        step,
        life_ends_at: inMs(-1),
        lease_until: inMs(60_000),
      });
      await expiry.runFor(id);
      const row = await onboardings.load(id);
      expect(row.state).toBe(stateOfStep(step));
      expect(asOfNow(row)).toBe(row);
    }
  });
});
