import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { aCaller, anOnboarding } from '#libs/testing';
import { OnboardingService } from '../commands/onboarding.service.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { RowWatch } from './row-watch.js';

const POLL_MS = 100;
const LONG_MS = 20_000;

let onboardings: Onboardings;
let watch: RowWatch;
beforeAll(async () => {
  onboardings = await openOnboardings([], { EVENTS_POLL_MS: String(POLL_MS) });
  watch = onboardings.module.get(RowWatch);
});
afterAll(() => onboardings.close());

const anId = () => anOnboarding(onboardings.dataSource);
const cancel = (id: string) =>
  onboardings.module.get(OnboardingService).cancel(id, undefined, { caller: aCaller(), waitMs: 0 });

describe('requests that wait', () => {
  it('get the row after the next event of their own onboarding', async () => {
    const [row, other] = [await onboardings.load(await anId()), await onboardings.load(await anId())];
    const [heard, nothing] = [watch.next(row, LONG_MS), watch.next(other, 3 * POLL_MS)];
    await cancel(row.id);
    expect(await heard).toMatchObject({ id: row.id, state: 'cancelled', lastSeq: row.lastSeq + 1 });
    expect(await nothing).toBeNull();
  });

  it('share one SQL statement in each interval', async () => {
    const row = await onboardings.load(await anId());
    const asked = jest.spyOn(onboardings.store, 'rows');
    const waiting = Array.from({ length: 350 }, () => watch.next(row, 10 * POLL_MS));
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => null));
    expect(asked.mock.calls.length).toBeLessThanOrEqual(11);
    expect(asked.mock.calls.length).toBeGreaterThanOrEqual(2);
    asked.mockRestore();
  });

  it('are limited for each caller', async () => {
    const row = await onboardings.load(await anId());
    const waiting = Array.from({ length: 500 }, () => watch.next(row, LONG_MS));
    expect(watch.hasRoomFor(row.caller)).toBe(false);
    expect(watch.hasRoomFor('another')).toBe(true);
    await cancel(row.id);
    expect((await Promise.all(waiting)).every((heard) => heard?.state === 'cancelled')).toBe(true);
    expect(watch.hasRoomFor(row.caller)).toBe(true);
  });
});
