import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { uuidV7 } from '#libs/kernel';
import { anOnboarding } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import type { NewEvent } from './onboarding-event.entity.js';
import { where, type Change, type Clause } from './onboarding.store.js';
import { fromNow, sql, type Patch } from './statement.js';

let onboardings: Onboardings;
beforeAll(async () => {
  onboardings = await openOnboardings();
});
afterAll(() => onboardings.close());

const resent: NewEvent = { type: 'otp_resend_asked', actor: 'caller' };
const started: NewEvent = { type: 'attempt_started', actor: 'service' };

const seqs = async (id: string) => (await onboardings.store.events(id, 0, 1000)).map((event) => event.seq);

function aRow(subjectKey = randomUUID()): Patch {
  return {
    id: uuidV7(Date.now()),
    integration: 'byzantine',
    provider: 'byzantine',
    subject: { accountId: 'a', userId: 'u' },
    subjectKey,
    metadata: { plan: 'pro' },
    state: 'otp_requested',
    step: 'init-otp',
    attempt: 1,
    submission: 1,
    fingerprint: 'print',
    idleEndsAt: fromNow(60_000),
    lifeEndsAt: fromNow(60_000),
  };
}

describe('change', () => {
  it.each([
    ['version', where.version(2)],
    ['state', where.stateIn('otp_needed', 'otp_verified')],
    ['attempt', where.attempt(1)],
    ['lease', where.leaseHeld()],
    ['lapsed lease', where.leaseLapsed()],
    ['next try', where.tryIsDue()],
  ])('writes nothing where the %s is not what the writer saw', async (_, condition) => {
    const id = await anOnboarding(onboardings.dataSource);
    const before = await onboardings.load(id);
    const change: Change = { id, where: [condition], patch: { state: 'otp_requested' }, events: [resent] };
    expect(await onboardings.store.change(change)).toBeNull();
    const { now: _then, ...row } = await onboardings.load(id);
    expect(before).toMatchObject(row);
    expect(await onboardings.eventTypes(id)).toEqual([]);
  });

  it('lets one of a hundred writers win that all saw the same version', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const change: Change = {
      id,
      where: [where.version(1)],
      patch: { state: 'otp_requested' },
      events: [resent, started],
    };
    const results = await Promise.all(Array.from({ length: 100 }, () => onboardings.store.change(change)));
    expect(results.filter((row) => row !== null)).toHaveLength(1);
    expect(await seqs(id)).toEqual([1, 2]);
    expect((await onboardings.load(id)).version).toBe(2);
  });

  it('returns the row as written, with the database’s time', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const written = await onboardings.store.change({
      id,
      where: [],
      patch: {
        state: 'otp_requested',
        step: 'init-otp',
        attempt: sql('o.attempt + 1'),
        leaseUntil: fromNow(30_000),
      },
      events: [started],
    });
    expect(written).toMatchObject({ id, state: 'otp_requested', attempt: 1, version: 2, lastSeq: 1 });
    expect(written!.leaseUntil!.getTime() - written!.now.getTime()).toBeGreaterThan(29_000);
    const { now: _, ...row } = await onboardings.load(id);
    expect(written).toMatchObject(row);
  });

  it('counts state changes, not writes', async () => {
    const id = await anOnboarding(onboardings.dataSource, { state: 'otp_requested', step: 'init-otp' });
    const write = (patch: Patch) => onboardings.store.change({ id, where: [], patch, events: [resent] });
    expect(await write({ nextAttemptAt: fromNow(1000) })).toMatchObject({ version: 1, lastSeq: 1 });
    expect(await write({ state: 'otp_requested' })).toMatchObject({ version: 1, lastSeq: 2 });
    expect(await write({ state: 'otp_sent' })).toMatchObject({ version: 2, lastSeq: 3 });
  });

  it('numbers events without a gap, whatever writes come together', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 12 }), async (sizes) => {
        const id = await anOnboarding(onboardings.dataSource);
        await Promise.all(
          sizes.map((size) =>
            onboardings.store.change({
              id,
              where: [],
              patch: {},
              events: Array.from({ length: size }, () => resent),
            }),
          ),
        );
        const total = sizes.reduce((sum, size) => sum + size, 0);
        expect(await seqs(id)).toEqual(Array.from({ length: total }, (_, index) => index + 1));
        expect((await onboardings.load(id)).lastSeq).toBe(total);
      }),
      { numRuns: 15 },
    );
  });

  it('tells an attempt’s event its own number, step and fingerprint', async () => {
    const id = await anOnboarding(onboardings.dataSource, {
      attempt: 6,
      step: 'verify-otp',
      fingerprint: 'print',
    });
    await onboardings.store.change({
      id,
      where: [],
      patch: { attempt: sql('o.attempt + 1') },
      events: [started, resent],
    });
    const events = await onboardings.store.events(id, 0, 10);
    expect(events[0]!.data).toEqual({ attempt: 7, step: 'verify-otp', fingerprint: 'print' });
    expect(events[1]!.data).toEqual({});
  });

  it('refuses a column that the table does not have, and a state that no machine decided', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const change = (patch: object) =>
      onboardings.store.change({ id, where: [], patch: patch as Patch, events: [] });
    await expect(change({ colour: 'red' })).rejects.toThrow(/no column for "colour"/);
    await expect(change({ state: sql(`'completed'`) })).rejects.toThrow(/decided by the machine/);
  });
});

describe('a clause', () => {
  const charge = (allowed: boolean): Clause => ({
    name: 'charged',
    required: true,
    write: (b) => `
      INSERT INTO otp_budgets (integration, subject_key, sends)
      SELECT target.integration, target.subject_key, ARRAY[clock_timestamp()] FROM target WHERE ${b.bind(allowed, 'bool')}
      RETURNING 1`,
  });
  const charged = async (id: string) =>
    (
      await onboardings.store.query(
        'SELECT 1 FROM otp_budgets b JOIN onboardings o ON b.subject_key = o.subject_key WHERE o.id = $1',
        [id],
      )
    ).length;

  it('that is required and met writes with the rest', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const change: Change = {
      id,
      where: [],
      patch: { state: 'otp_requested' },
      events: [resent],
      clauses: [charge(true)],
    };
    expect(await onboardings.store.change(change)).toMatchObject({ state: 'otp_requested' });
    expect(await charged(id)).toBe(1);
  });

  it('that is required and not met leaves everything unwritten', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const change: Change = {
      id,
      where: [],
      patch: { state: 'otp_requested' },
      events: [resent],
      clauses: [charge(false)],
    };
    expect(await onboardings.store.change(change)).toBeNull();
    expect(await onboardings.load(id)).toMatchObject({ state: 'otp_sent', version: 1, lastSeq: 0 });
    expect(await onboardings.eventTypes(id)).toEqual([]);
  });

  it('that is required acts once for one of many writers that saw the same version', async () => {
    const again: Clause = {
      name: 'charged',
      required: true,
      write: () => `
        INSERT INTO otp_budgets AS b (integration, subject_key, sends)
        SELECT target.integration, target.subject_key, ARRAY[clock_timestamp()] FROM target
        ON CONFLICT (integration, subject_key) DO UPDATE SET sends = b.sends || clock_timestamp() RETURNING 1`,
    };
    const id = await anOnboarding(onboardings.dataSource);
    const change: Change = {
      id,
      where: [where.version(1)],
      patch: { state: 'otp_requested' },
      events: [resent],
      clauses: [again],
    };
    const results = await Promise.all(Array.from({ length: 30 }, () => onboardings.store.change(change)));
    expect(results.filter((row) => row !== null)).toHaveLength(1);
    const [budget] = await onboardings.store.query<{ charges: number }>(
      `SELECT cardinality(b.sends) AS charges FROM otp_budgets b JOIN onboardings o USING (subject_key) WHERE o.id = $1`,
      [id],
    );
    expect(budget).toEqual({ charges: 1 });
  });

  it('that is required does nothing for a row that is not as the writer saw it', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const stale = [where.version(9)];
    expect(
      await onboardings.store.change({ id, where: stale, patch: {}, events: [], clauses: [charge(true)] }),
    ).toBeNull();
    expect(await charged(id)).toBe(0);
  });

  it('that is not required acts on what was written, and only then', async () => {
    const release: Clause = {
      name: 'released',
      required: false,
      write: () =>
        'DELETE FROM otp_budgets b USING changed c WHERE b.subject_key = c.subject_key RETURNING 1',
    };
    const id = await anOnboarding(onboardings.dataSource);
    await onboardings.store.change({ id, where: [], patch: {}, events: [], clauses: [charge(true)] });
    await onboardings.store.change({
      id,
      where: [where.version(9)],
      patch: {},
      events: [],
      clauses: [release],
    });
    expect(await charged(id)).toBe(1);
    await onboardings.store.change({ id, where: [], patch: {}, events: [], clauses: [release] });
    expect(await charged(id)).toBe(0);
  });
});

describe('create', () => {
  const events: NewEvent[] = [{ type: 'created', actor: 'caller' }, started];

  it('inserts the row with its first events', async () => {
    const created = await onboardings.store.create(aRow(), events);
    if (typeof created === 'string') throw new Error(created);
    expect(created).toMatchObject({
      state: 'otp_requested',
      version: 1,
      lastSeq: 2,
      metadata: { plan: 'pro' },
      unresolved: [],
    });
    expect(await onboardings.eventTypes(created.id)).toEqual(['created', 'attempt_started']);
    const { now: _, ...row } = await onboardings.load(created.id);
    expect(created).toMatchObject(row);
  });

  it('lets one of many starts for a subject through', async () => {
    const key = randomUUID();
    const created = await Promise.all(
      Array.from({ length: 20 }, () => onboardings.store.create(aRow(key), events)),
    );
    expect(created.filter((each) => each === 'live')).toHaveLength(19);
    const live = await onboardings.store.findLive('byzantine', key);
    expect(await seqs(live!.id)).toEqual([1, 2]);
    const rows = await onboardings.store.query('SELECT 1 FROM onboardings WHERE subject_key = $1', [key]);
    expect(rows).toHaveLength(1);
  });

  it('lets the next start through when the one before has ended, and one per integration', async () => {
    const key = randomUUID();
    await anOnboarding(onboardings.dataSource, { subject_key: key, state: 'cancelled' });
    await anOnboarding(onboardings.dataSource, { subject_key: key, integration: 'other' });
    expect(await onboardings.store.findLive('byzantine', key)).toBeNull();
    expect(await onboardings.store.create(aRow(key), events)).toMatchObject({ state: 'otp_requested' });
  });

  it('writes nothing where a required clause refuses', async () => {
    const refuse: Clause = { name: 'refused', required: true, write: () => 'SELECT 1 WHERE false' };
    const row = aRow();
    expect(await onboardings.store.create(row, events, [refuse])).toBe('refused');
    expect(await onboardings.store.find(String(row.id))).toBeNull();
  });
});

it('reads the timeline on from an event, oldest first', async () => {
  const id = await anOnboarding(onboardings.dataSource);
  await onboardings.store.change({
    id,
    where: [],
    patch: {},
    events: Array.from({ length: 5 }, () => resent),
  });
  expect((await onboardings.store.events(id, 2, 2)).map(({ seq }) => seq)).toEqual([3, 4]);
});
