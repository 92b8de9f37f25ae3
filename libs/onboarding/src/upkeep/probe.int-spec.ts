import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { anOnboarding, inMs } from '#libs/testing';
import { Integrations, UpstreamError, type FailureClass } from '#libs/upstream';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { write } from '../fixtures/write.js';
import { Probe } from './probe.js';

const EVERY_MS = 10_000;
let onboardings: Onboardings;
let probe: Probe;
beforeAll(async () => {
  onboardings = await openOnboardings([], { PROBE_EVERY_MS: String(EVERY_MS) });
  probe = onboardings.module.get(Probe);
});
afterAll(() => onboardings.close());
const query = (text: string, values: unknown[] = []) => onboardings.dataSource.query(text, values);
beforeEach(async () => {
  await query(`DELETE FROM onboardings WHERE parked_reason IS NOT NULL`);
  await query(`DELETE FROM integration_trials`);
});
afterEach(() => void jest.restoreAllMocks());

/** Lets each further probe end with this failure, or succeed (`well`). */
function answers(failure: FailureClass | 'well'): void {
  const evidence = { bytesSent: true, headersSeen: true, status: 404, durationMs: 1 };
  const { provider } = onboardings.module.get(Integrations).all()[0]!;
  jest.spyOn(provider, 'probe').mockImplementation(async () => {
    if (failure !== 'well') throw new UpstreamError(failure, { detail: failure, evidence });
  });
}
const integration = () => onboardings.module.get(Integrations).all()[0]!.name;

async function parked(count: number, columns: Record<string, unknown> = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const row = {
      integration: integration(),
      state: 'otp_requested',
      step: 'init-otp',
      parkings: 1,
      parked_reason: 'upstream_misconfigured',
      parked_at: inMs(n - 1_000),
    };
    ids.push(await anOnboarding(onboardings.dataSource, { ...row, ...columns }));
  }
  return ids;
}
const park = (ids: string[]) =>
  query(
    `UPDATE onboardings SET parked_reason = 'upstream_misconfigured', parked_at = clock_timestamp(),
      parkings = parkings + 1, next_attempt_at = NULL WHERE id = ANY ($1)`,
    [ids],
  );
const attemptEnded = (id: string, failureClass: string) => {
  const data = {
    step: 'init-otp',
    attempt: 1,
    class: failureClass,
    upstreamStatus: 200,
    durationMs: 1,
  } as const;
  return write(onboardings.store, id, [{ type: 'attempt_ended', actor: 'upstream', data }]);
};
const stillParked = async (ids: string[]) =>
  (
    await query(`SELECT id FROM onboardings WHERE parked_reason IS NOT NULL AND id = ANY ($1) ORDER BY id`, [
      ids,
    ])
  ).map(({ id }: { id: string }) => id);
const trialIsDue = () => query(`UPDATE integration_trials SET next_at = clock_timestamp()`);

describe('a probe without a clear result', () => {
  it.each(['rejected', 'rejected_unclear', 'unavailable', 'no_answer', 'not_sent', 'throttled'] as const)(
    'releases three rows if it ends with %s, and no more before the next trial is due',
    async (failure) => {
      answers(failure);
      const ids = await parked(5);
      expect(await probe.run()).toEqual({ unparked: 3, unhealthy: [integration()] });
      expect(await stillParked(ids)).toEqual(ids.slice(3).toSorted());
      expect((await probe.run()).unparked).toBe(0);
    },
  );

  it('releases no row that will expire, and uses no place of its trial for one', async () => {
    answers('rejected');
    await parked(3, { idle_ends_at: inMs(-1), parked_at: inMs(-5_000) });
    const ids = await parked(3);
    expect((await probe.run()).unparked).toBe(3);
    expect(await stillParked(ids)).toEqual([]);
  });

  it('releases all rows after one released row has had a successful call', async () => {
    answers('rejected');
    const ids = await parked(5);
    await probe.run();
    await attemptEnded(ids[0]!, 'misconfigured');
    expect((await probe.run()).unparked).toBe(0);
    await attemptEnded(ids[1]!, 'ok');
    expect((await probe.run()).unparked).toBe(2);
    expect(await stillParked(ids)).toEqual([]);
  });

  it('releases other rows in the second trial, and the time between trials grows up to a limit', async () => {
    answers('rejected');
    const ids = await parked(6);
    await probe.run();
    await park(ids.slice(0, 3));
    const waits: number[] = [];
    for (let n = 0; n < 6; n++) {
      const [trial] = await query(
        `SELECT extract(epoch FROM next_at - released_at)::float8 * 1000 AS wait FROM integration_trials`,
      );
      waits.push(trial.wait / EVERY_MS);
      await trialIsDue();
      await probe.run();
      if (n === 0) expect(await stillParked(ids)).toEqual(ids.slice(0, 3).toSorted());
    }
    [2, 4, 8, 16, 16, 16].forEach((times, n) => {
      expect(waits[n]).toBeGreaterThanOrEqual(times * 0.999);
      expect(waits[n]).toBeLessThanOrEqual(times * 1.251);
    });
  });
});

describe('the probe of an integration', () => {
  it('releases all rows if it succeeds; a row that was parked again must wait longer', async () => {
    answers('well');
    const fresh = await parked(4);
    const again = await parked(1, { parkings: 2, parked_at: inMs(-1.5 * EVERY_MS) });
    const oftener = await parked(1, { parkings: 3, parked_at: inMs(-4.5 * EVERY_MS) });
    expect(await probe.run()).toEqual({ unparked: 5, unhealthy: [] });
    expect(await stillParked([...fresh, ...again, ...oftener])).toEqual(again);
  });

  it('releases no row if the provider refuses the probe', async () => {
    answers('misconfigured');
    const ids = await parked(2);
    expect(await probe.run()).toEqual({ unparked: 0, unhealthy: [integration()] });
    expect(await stillParked(ids)).toHaveLength(2);
  });

  it('deletes the trials once nothing is parked', async () => {
    answers('rejected');
    await parked(1);
    await probe.run();
    await trialIsDue();
    await probe.run();
    expect(await query(`SELECT 1 FROM integration_trials`)).toEqual([]);
  });
});
