import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { uuidV7, type Caller } from '#libs/kernel';
import { aCaller, anOnboarding, inMs } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { asOfNow } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import { PARKED_REASONS } from '../flow/codes.js';
import { STATES, STEPS, isEnded, stepOfState } from '../flow/table.js';
import type { ListFilter } from '../store/list-reader.js';
import { OnboardingLists } from './onboarding-lists.js';

let onboardings: Onboardings;
beforeAll(async () => {
  onboardings = await openOnboardings();
});
afterAll(() => onboardings.close());

describe('a list by state', () => {
  const integration = 'listed-by-state';
  const rows: Row[] = [];

  const passedDeadlines = [
    { otp_expires_at: inMs(-1), session_ends_at: inMs(-1) },
    { idle_ends_at: inMs(-1) },
    { life_ends_at: inMs(-1) },
  ];

  beforeAll(async () => {
    for (const state of STATES) {
      const columns = {
        state,
        step: state === 'outcome_unknown' ? 'verify-otp' : stepOfState(state),
        session_ends_at: inMs(600_000),
        integration,
      };
      const inserts: Record<string, unknown>[] = [{}];
      for (const time of isEnded(state) ? [] : passedDeadlines) {
        inserts.push(time, { ...time, doubt_attempt: 1 }, { ...time, lease_until: inMs(60_000) });
      }
      for (const more of inserts) {
        const id = await anOnboarding(onboardings.dataSource, { ...columns, ...more });
        rows.push(await onboardings.load(id));
      }
    }
  });

  it.each(STATES)(
    'contains exactly the onboardings that a read shows in the state "%s", even if the stored state is older',
    async (state) => {
      const { rows: listed } = await onboardings.module
        .get(OnboardingLists)
        .list({ states: [state], integration, limit: 200 }, aCaller());
      const expected = rows.filter((row) => asOfNow(row).state === state);
      expect(listed.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
      expect(new Set(listed.map((row) => row.state))).toEqual(new Set([state]));
    },
  );
});

describe('any list', () => {
  const CALLERS = ['default', 'shop', 'bank'];
  const INTEGRATIONS = ['byzantine', 'turnkey', 'gone'];
  const ACCOUNTS = ['a-1', 'a-2'];
  const USERS = ['u-1', 'u-2', 'u-3'];
  const REFERENCES = ['r-1', 'r-2'];
  const MADE_MS = Date.parse('2026-11-20T10:00:00Z');

  const past = fc.integer({ min: -86_400_000, max: -1 }).map(inMs);
  /** At least ten minutes from now, because the test may be slow. */
  const future = fc.integer({ min: 600_000, max: 86_400_000 }).map(inMs);
  const instant = fc.oneof(past, future);
  const perhaps = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
  const madeMs = fc.integer({ min: MADE_MS, max: MADE_MS + 9 });

  const anyRow = fc
    .record({
      madeMs,
      state: fc.constantFrom(...STATES),
      caller: fc.constantFrom(...CALLERS),
      integration: fc.constantFrom(...INTEGRATIONS),
      subject: fc.record({ accountId: fc.constantFrom(...ACCOUNTS), userId: fc.constantFrom(...USERS) }),
      external_ref: perhaps(fc.constantFrom(...REFERENCES)),
      otp_expires_at: instant,
      session_ends_at: instant,
      // Mostly in the future. Otherwise, most onboardings would have expired.
      idle_ends_at: fc.oneof(instant, future, future),
      life_ends_at: fc.oneof(instant, future, future),
      lease_until: perhaps(instant),
      next_attempt_at: perhaps(instant),
      doubt_attempt: perhaps(fc.constant(1)),
      parked: perhaps(fc.constantFrom(...PARKED_REASONS)),
      lostStep: fc.constantFrom('verify-otp', 'create-authenticators'),
    })
    .map(({ madeMs: ms, parked, lostStep, ...row }) => ({
      ...row,
      id: uuidV7(ms),
      step: row.state === 'outcome_unknown' ? lostStep : stepOfState(row.state),
      attempt: 1,
      ...(isEnded(row.state) && { lease_until: null, next_attempt_at: null, doubt_attempt: null }),
      ...(stepOfState(row.state) === null && { next_attempt_at: null }),
      ...(!isEnded(row.state) && parked && { parked_reason: parked, parked_at: inMs(-1_000) }),
    }));

  /** On average, one in `weight` filters has this member. */
  const oneIn = <T>(weight: number, arbitrary: fc.Arbitrary<T>) =>
    fc.oneof({ arbitrary, weight: 1 }, { arbitrary: fc.constant(undefined), weight: weight - 1 });
  const madeAt = madeMs.map((ms) => new Date(ms));
  const anyFilter = fc.record({
    states: fc.option(fc.uniqueArray(fc.constantFrom(...STATES), { minLength: 1, maxLength: 4 }), {
      nil: undefined,
    }),
    caller: oneIn(3, fc.constantFrom(...CALLERS)),
    integration: oneIn(3, fc.constantFrom(...INTEGRATIONS)),
    accountId: oneIn(8, fc.constantFrom(...ACCOUNTS)),
    userId: oneIn(8, fc.constantFrom(...USERS)),
    externalRef: oneIn(8, fc.constantFrom(...REFERENCES)),
    step: oneIn(4, fc.constantFrom(...STEPS)),
    parked: oneIn(4, fc.boolean()),
    parkedReason: oneIn(8, fc.constantFrom(...PARKED_REASONS)),
    waiting: oneIn(6, fc.boolean()),
    createdAfter: oneIn(3, madeAt),
    createdBefore: oneIn(3, madeAt),
    limit: fc.integer({ min: 1, max: 12 }),
  });
  const anyCaller = fc
    .record({
      name: fc.constantFrom(...CALLERS),
      seesAll: fc.boolean(),
      integrations: perhaps(fc.subarray(INTEGRATIONS)),
    })
    .map(({ name, seesAll, integrations }) =>
      aCaller(name, ['onboardings:read', ...(seesAll ? (['operations:read'] as const) : [])], integrations),
    );

  const isWaiting = ({ nextAttemptAt, leaseUntil, parkedReason }: Row) =>
    nextAttemptAt !== null && leaseUntil === null && parkedReason === null;
  const matches = (row: Row, filter: ListFilter, caller: Caller) =>
    (caller.scopes.has('operations:read') || row.caller === caller.name) &&
    (caller.integrations?.has(row.integration) ?? true) &&
    (filter.states?.includes(row.state) ?? true) &&
    row.caller === (filter.caller ?? row.caller) &&
    row.integration === (filter.integration ?? row.integration) &&
    row.subject['accountId'] === (filter.accountId ?? row.subject['accountId']) &&
    row.subject['userId'] === (filter.userId ?? row.subject['userId']) &&
    row.externalRef === (filter.externalRef ?? row.externalRef) &&
    row.step === (filter.step ?? row.step) &&
    row.parkedReason === (filter.parkedReason ?? row.parkedReason) &&
    (!filter.waiting || isWaiting(row)) &&
    (row.parkedReason !== null) === (filter.parked ?? row.parkedReason !== null) &&
    row.createdAt.getTime() > (filter.createdAfter?.getTime() ?? 0) &&
    row.createdAt.getTime() < (filter.createdBefore?.getTime() ?? Infinity);

  async function pagesOf(filter: ListFilter, caller: Caller): Promise<Row[]> {
    const lists = onboardings.module.get(OnboardingLists);
    const all: Row[] = [];
    for (let after: string | undefined; ;) {
      const { rows, next } = await lists.list({ ...filter, after }, caller);
      expect(rows.length).toBeLessThanOrEqual(filter.limit);
      all.push(...rows);
      if (next === null) return all;
      expect(rows).toHaveLength(filter.limit);
      after = next;
    }
  }

  it('returns exactly the rows that match its filters, newest first', async () => {
    const cases = fc.array(fc.tuple(anyFilter, anyCaller), { minLength: 40, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { minLength: 20, maxLength: 40 }), cases, async (inserts, asked) => {
        await onboardings.dataSource.query('DELETE FROM onboardings');
        const rows: Row[] = [];
        for (const row of inserts) {
          rows.push(asOfNow(await onboardings.load(await anOnboarding(onboardings.dataSource, row))));
        }
        rows.sort((one, other) => (one.id < other.id ? 1 : -1));
        for (const [filter, caller] of asked) {
          const listed = await pagesOf(filter, caller);
          const expected = rows.filter((row) => matches(row, filter, caller));
          expect(listed.map(({ id, state }) => [id, state])).toEqual(
            expected.map(({ id, state }) => [id, state]),
          );
        }
      }),
      // Searching for a smaller failing case would take minutes.
      { numRuns: 20, endOnFailure: true },
    );
  });
});
