import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aCaller, anOnboarding, inMs } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { asOfNow } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import { STATES, isEnded, stepOfState } from '../flow/table.js';
import { OnboardingLists } from './onboarding-lists.js';

let onboardings: Onboardings;
beforeAll(async () => {
  onboardings = await openOnboardings();
});
afterAll(() => onboardings.close());

describe('a list by state', () => {
  const integration = 'listed-by-state';
  const rows: Row[] = [];

  /** What may have run out, alone and together, with and without a call that may have acted. */
  const times = [
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
      for (const time of isEnded(state) ? [] : times) {
        inserts.push(time, { ...time, doubt_attempt: 1 }, { ...time, lease_until: inMs(60_000) });
      }
      for (const more of inserts) {
        const id = await anOnboarding(onboardings.dataSource, { ...columns, ...more });
        rows.push(await onboardings.load(id));
      }
    }
  });

  it.each(STATES)('has each onboarding that shows "%s", whatever is written, and no other', async (state) => {
    const { rows: listed } = await onboardings.module
      .get(OnboardingLists)
      .list({ state, integration, limit: 200 }, aCaller());
    const expected = rows.filter((row) => asOfNow(row).state === state);
    expect(listed.map(({ id }) => id).sort()).toEqual(expected.map(({ id }) => id).sort());
    expect(new Set(listed.map((row) => row.state))).toEqual(new Set([state]));
  });
});
