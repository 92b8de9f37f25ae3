import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { JobProducer, Queues } from '#libs/jobs';
import { anOnboarding, inMs, until } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { Sweeper } from './sweep.js';

const WAKE_AGAIN_MS = 60_000;

let onboardings: Onboardings;
let sweeper: Sweeper;
beforeAll(async () => {
  onboardings = await openOnboardings([], { WAKE_AGAIN_MS: String(WAKE_AGAIN_MS) });
  sweeper = onboardings.module.get(Sweeper);
  await until('Redis is ready', () => onboardings.module.get(Queues).isReady());
});
afterAll(() => onboardings.close());
beforeEach(async () => {
  await onboardings.dataSource.query('DELETE FROM onboardings');
  onboardings.added.splice(0);
});

const waiting = { state: 'otp_submitted', step: 'verify-otp', attempt: 2 };
const insert = (columns: Record<string, unknown>) =>
  anOnboarding(onboardings.dataSource, { ...waiting, ...columns });

describe('the sweeper', () => {
  it('wakes a row with an overdue try or an expired lease, by a job for the next attempt', async () => {
    const due = await insert({ next_attempt_at: inMs(-5000) });
    const lapsed = await insert({ state: 'otp_requested', step: 'init-otp', lease_until: inMs(-5000) });
    expect(await sweeper.run()).toEqual({ woken: 2 });
    const byId = new Map(
      onboardings.added.map((job) => [(job.payload as { onboardingId: string }).onboardingId, job]),
    );
    expect(byId.get(due)).toEqual({
      name: 'verify-otp',
      payload: { onboardingId: due },
      options: { id: `${due}_verify-otp_3` },
    });
    expect(byId.get(lapsed)).toEqual({
      name: 'init-otp',
      payload: { onboardingId: lapsed },
      options: { id: `${lapsed}_init-otp_3` },
    });
  });

  it.each([
    ['is not due yet', { next_attempt_at: inMs(60_000) }],
    ['is only just due, and has its own job', { next_attempt_at: inMs(-100) }],
    ['is in flight', { lease_until: inMs(60_000) }],
    [
      'is parked',
      { next_attempt_at: inMs(-5000), parked_reason: 'integration_missing', parked_at: inMs(-5000) },
    ],
    ['waits for the user', { state: 'otp_sent', step: null }],
  ])('does not wake a row that %s', async (_, columns) => {
    await insert(columns);
    expect(await sweeper.run()).toEqual({ woken: 0 });
    expect(onboardings.added).toEqual([]);
  });

  it('wakes a row once in each period', async () => {
    const id = await insert({ next_attempt_at: inMs(-5000) });
    expect(await sweeper.run()).toEqual({ woken: 1 });
    expect(await sweeper.run()).toEqual({ woken: 0 });
    await onboardings.dataSource.query(
      `UPDATE onboardings SET due_at = due_at - ($2::float8 + 5000) * interval '1 millisecond' WHERE id = $1`,
      [id, WAKE_AGAIN_MS],
    );
    expect(await sweeper.run()).toEqual({ woken: 1 });
  });

  it('wakes a row only once, even if several sweepers run at the same time', async () => {
    for (let n = 0; n < 30; n++) await insert({ next_attempt_at: inMs(-5000) });
    const swept = await Promise.all([sweeper.run(), sweeper.run(), sweeper.run()]);
    const rest = await sweeper.run();
    expect([...swept, rest].reduce((sum, { woken }) => sum + woken, 0)).toBe(30);
    expect(new Set(onboardings.added.map((job) => JSON.stringify(job.payload))).size).toBe(30);
  });

  it('skips a row that another statement is writing, and wakes it in the next run', async () => {
    const id = await insert({ next_attempt_at: inMs(-5000) });
    const writer = onboardings.dataSource.createQueryRunner();
    await writer.startTransaction();
    await writer.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [id]);
    expect(await sweeper.run()).toEqual({ woken: 0 });
    await writer.rollbackTransaction();
    await writer.release();
    expect(await sweeper.run()).toEqual({ woken: 1 });
  });

  it('adds nothing to a paused queue, and wakes each row once when it is resumed', async () => {
    for (let n = 0; n < 3; n++) await insert({ next_attempt_at: inMs(-5000) });
    const steps = onboardings.module.get(Queues).get('steps');
    await steps.pause();
    try {
      for (let n = 0; n < 3; n++) expect(await sweeper.run()).toEqual({ woken: 0, paused: true });
      expect(onboardings.added).toEqual([]);
    } finally {
      await steps.resume();
    }
    expect(await sweeper.run()).toEqual({ woken: 3 });
    expect(await sweeper.run()).toEqual({ woken: 0 });
  });

  it('changes only the time at which the row is due', async () => {
    const id = await insert({ next_attempt_at: inMs(-5000) });
    const { now: _then, dueAt, ...before } = await onboardings.load(id);
    await sweeper.run();
    const after = await onboardings.load(id);
    expect(after).toMatchObject(before);
    expect(after.dueAt!.getTime()).toBeGreaterThan(dueAt!.getTime());
  });
});

describe('the sweeper, if Redis accepts no jobs,', () => {
  afterEach(() => void jest.restoreAllMocks());

  const woken = async () => {
    const rows: { woken: boolean }[] = await onboardings.dataSource.query(
      `SELECT due_at > clock_timestamp() + interval '5 seconds' AS woken FROM onboardings`,
    );
    return rows.filter((row) => row.woken).length;
  };

  it('wakes all rows in its first run after Redis is back', async () => {
    await insert({ next_attempt_at: inMs(-5000) });
    const ready = jest.spyOn(onboardings.module.get(Queues), 'isReady').mockReturnValue(false);
    expect(await sweeper.run()).toEqual({ woken: 0 });
    expect([onboardings.added.length, await woken()]).toEqual([0, 0]);
    ready.mockRestore();
    expect(await sweeper.run()).toEqual({ woken: 1 });
  });

  it('stops at the first refused job, and wakes the other rows in the next run', async () => {
    for (let n = 0; n < 5; n++) await insert({ next_attempt_at: inMs(-5000) });
    const jobs = onboardings.module.get(JobProducer);
    const take = jobs.wake.bind(jobs);
    const wake = jest.spyOn(jobs, 'wake');
    wake.mockImplementationOnce(take).mockImplementationOnce(take).mockResolvedValueOnce('refused');
    expect(await sweeper.run()).toEqual({ woken: 2 });
    expect(wake).toHaveBeenCalledTimes(3);
    expect(await woken()).toBe(2);
    expect(await sweeper.run()).toEqual({ woken: 3 });
    expect(new Set(onboardings.added.map((job) => JSON.stringify(job.payload))).size).toBe(5);
  });
});
