import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aCaller, anOnboarding, until } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { EVENTS, EVENT_TYPES, type NewEvent } from '../flow/events.js';
import { keepLateAnswer } from '../flow/move.js';
import { STEPS } from '../flow/table.js';
import { IdempotencyKeys } from '../store/idempotency-keys.js';
import { OnboardingService } from './onboarding.service.js';

let onboardings: Onboardings;
beforeAll(async () => {
  onboardings = await openOnboardings();
});
afterAll(() => onboardings.close());

const sql = (text: string, values: unknown[]) => onboardings.dataSource.query(text, values);
const erase = (id: string) =>
  onboardings.module.get(OnboardingService).erase(id, { caller: aCaller(), waitMs: 0 });
const keyOf = () => ({ caller: 'a', route: 'b', key: randomUUID(), fingerprint: 'c', id: randomUUID() });
const TAKE = `
  INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id)
  VALUES ('a', 'b', $1, 'c', $2, $3)`;

describe('an erasure', () => {
  it('prevents a request that is still running from storing its answer', async () => {
    const keys = onboardings.module.get(IdempotencyKeys);
    const id = await anOnboarding(onboardings.dataSource);
    const request = keyOf();
    await sql(TAKE, [request.key, request.id, id]);
    await erase(id);
    await keys.answer(request, { status: 200, headers: {}, body: '{"name": "Ana"}' });
    expect(await keys.find(request)).toMatchObject({ erased: true, answer: null, fingerprint: '' });
    const [{ kept }] = await sql('SELECT sealed_answer AS kept FROM idempotency_keys WHERE key = $1', [
      request.key,
    ]);
    expect(kept).toBeNull();
  });

  it('removes the trace context of the request that began the onboarding', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const trace = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    await sql('UPDATE onboardings SET trace_parent = $2 WHERE id = $1', [id, trace]);
    await erase(id);
    const rows = await sql('SELECT trace_parent FROM onboardings WHERE id = $1', [id]);
    expect(rows).toEqual([{ trace_parent: null }]);
  });

  it('also erases data that another transaction committed while the erasure waited for a lock', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const request = keyOf();
    const runner = onboardings.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('UPDATE onboardings SET last_seq = last_seq + 1 WHERE id = $1', [id]);
    await runner.query(
      `INSERT INTO onboarding_events (onboarding_id, seq, type, actor, data)
       VALUES ($1, 1, 'otp_resend_asked', 'caller', '{"reason": "Ana"}')`,
      [id],
    );
    await runner.query(TAKE, [request.key, request.id, id]);
    await runner.query(
      `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id)
      SELECT integration, subject_key, 'c', id FROM onboardings WHERE id = $1`,
      [id],
    );
    const erasing = erase(id);
    await until('the erasure waits', async () => {
      const [{ waiting }] = await sql(
        `SELECT count(*)::int AS waiting FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        [],
      );
      return waiting === 1;
    });
    await runner.commitTransaction();
    await runner.release();
    await erasing;
    const events = await onboardings.store.events(id, 0, 9);
    expect(events.map(({ data }) => data)).toEqual(events.map(() => ({})));
    expect(events.map(({ type }) => type)).toEqual(['otp_resend_asked', 'cancelled', 'erased']);
    expect(await onboardings.module.get(IdempotencyKeys).find(request)).toMatchObject({ erased: true });
    expect(await sql('SELECT 1 FROM credentials WHERE onboarding_id = $1', [id])).toEqual([]);
  });

  it('is followed only by events without data, even if a late answer or a decision comes', async () => {
    const id = await anOnboarding(onboardings.dataSource, {
      state: 'outcome_unknown',
      step: 'create-authenticators',
      attempt: 3,
      submission: 3,
      unresolved: [{ step: 'create-authenticators', attempt: 3, at: '2026-11-20T10:00:00.000Z' }],
    });
    await erase(id);
    const erased = await onboardings.load(id);
    const late = keepLateAnswer(erased, {
      step: 'create-authenticators',
      attempt: 3,
      class: 'ok',
      authenticatorIds: ['a'],
    });
    await onboardings.store.command(erased, late);
    const decision = { outcome: 'done', reason: 'Ana' } as const;
    await onboardings.module.get(OnboardingService).resolve(id, decision, { caller: aCaller(), waitMs: 0 });
    const events = await onboardings.store.events(id, 0, 9);
    expect(events.slice(-2)).toMatchObject([
      { type: 'late_answer_kept', data: {} },
      { type: 'resolved', data: {} },
    ]);
    for (const { data } of events) expect(data).toEqual({});
    expect(await onboardings.load(id)).toMatchObject({ unresolved: [], authenticators: [] });
  });

  it('lets the subject start a new onboarding', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    const { integration, subjectKey } = await onboardings.load(id);
    expect(await onboardings.store.findLatest(integration, subjectKey)).toMatchObject({ id });
    await erase(id);
    expect(await onboardings.store.findLatest(integration, subjectKey)).toBeNull();
  });
});

describe('the timeline of an erased onboarding', () => {
  /** Makes an event with a personal value in each member of its data. */
  const personal = (type: (typeof EVENT_TYPES)[number]) => {
    const data = Object.fromEntries(Object.keys(EVENTS[type].shape).map((name) => [name, 'Ana']));
    return { type, actor: 'caller', data } as NewEvent;
  };

  it('gets only events without data, and never the end of an attempt', async () => {
    const id = await anOnboarding(onboardings.dataSource);
    await erase(id);
    const { store } = onboardings;
    const row = await onboardings.load(id);
    const moved = { patch: {}, events: EVENT_TYPES.map(personal), refund: null };
    for (const step of STEPS) expect(await store.settle(step, row, moved, row.now)).toBeNull();
    expect(await store.command(row, moved)).not.toBeNull();
    const events = await store.events(id, row.lastSeq, EVENT_TYPES.length);
    expect(events.map(({ type, data }) => [type, data])).toEqual(EVENT_TYPES.map((type) => [type, {}]));
  });
});
