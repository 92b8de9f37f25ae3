import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PreparedStatements } from '#libs/database';
import { JobProducer, Queues } from '#libs/jobs';
import { ProblemError } from '#libs/kernel';
import { anOnboarding, inMs, until } from '#libs/testing';
import { anActor } from '../fixtures/an-actor.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { Retention } from '../upkeep/retain.js';
import { Executors } from './executors.js';
import { OperationWorker } from './operation-worker.js';
import { RECORD } from './operation-statements.js';
import { MAX_ITEMS } from './operation.js';
import { Operations } from './operations.js';

let onboardings: Onboardings;
let operations: Operations;
let worker: OperationWorker;
beforeAll(async () => {
  onboardings = await openOnboardings();
  operations = onboardings.module.get(Operations);
  worker = onboardings.module.get(OperationWorker);
  await until('Redis is ready', () => onboardings.module.get(Queues).isReady());
});
afterAll(() => onboardings.close());
beforeEach(async () => {
  for (const table of ['onboardings', 'operations', 'operation_items', 'audit_events', 'idempotency_keys']) {
    await query(`DELETE FROM ${table}`);
  }
  onboardings.added.splice(0);
});
afterEach(() => void jest.restoreAllMocks());

const query = (text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> =>
  onboardings.dataSource.query(text, values);
const insert = (columns: Record<string, unknown> = {}) => anOnboarding(onboardings.dataSource, columns);

async function several(count: number, columns: Record<string, unknown> = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await insert(columns));
  return ids;
}

const lost = { state: 'outcome_unknown', step: 'create-authenticators', attempt: 3 };
const failedSend = { step: 'init-otp', code: 'upstream_misconfigured', detail: 'no key', at: 'then' };
const waiting = { state: 'otp_submitted', step: 'verify-otp', attempt: 2, next_attempt_at: inMs(60_000) };

const ever = { filter: { createdAfter: new Date(0) } };

async function outcomes(id: string): Promise<Record<string, string>> {
  const items = await operations.items(id, { limit: 1_000 });
  return Object.fromEntries(
    items.map(({ onboardingId, outcome, code }) => [onboardingId, code ? `${outcome} ${code}` : outcome]),
  );
}

describe('a dry run', () => {
  it('counts the onboardings that match a filter now, shows some of them, and writes nothing', async () => {
    const ids = [await insert(lost), await insert({ ...waiting, external_ref: 'a-ref' })];
    await insert({ state: 'otp_sent' });
    const preview = await operations.preview({ filter: { states: ['outcome_unknown', 'otp_submitted'] } });
    expect(preview).toMatchObject({ count: 2, counted: 'exactly' });
    expect(preview.sample.map(({ id }) => id).sort()).toEqual(ids.sort());
    expect(preview.sample).toContainEqual(
      expect.objectContaining({ state: 'otp_submitted', step: 'verify-otp', externalRef: 'a-ref' }),
    );
    expect(await query('SELECT id FROM operations')).toEqual([]);
    expect(await query('SELECT id FROM audit_events')).toEqual([]);
  });

  it('counts only ids that exist, at the integrations that the actor may use', async () => {
    const [mine] = [await insert({ integration: 'mine' }), await insert({ integration: 'other' })];
    const all = (await query('SELECT id FROM onboardings')).map(({ id }) => String(id));
    const target = { ids: [...all, randomUUID()] };
    expect(await operations.preview(target)).toMatchObject({ count: 2 });
    const own = await operations.preview(target, { integrations: ['mine'] });
    expect(own).toMatchObject({ count: 1, sample: [{ id: mine }] });
    expect(await operations.preview(ever, { integrations: ['mine'] })).toMatchObject({ count: 1 });
  });

  it('stops counting at the given limit', async () => {
    await several(3, lost);
    await several(3, waiting);
    const filter = { states: ['outcome_unknown', 'otp_submitted'] } as const;
    const preview = await operations.preview({ filter }, {}, 5);
    const newest = await query('SELECT id FROM onboardings ORDER BY id DESC');
    expect(preview).toMatchObject({ count: 5, counted: 'at_least', sample: newest });
    expect(await operations.preview({ filter }, {}, 6)).toMatchObject({ count: 6, counted: 'exactly' });
  });

  it('finds nothing if there are no onboardings', async () => {
    expect(await operations.preview(ever)).toEqual({ count: 0, counted: 'exactly', sample: [] });
  });
});

describe('the start of an operation', () => {
  it('commits the operation, its items and the audit event together, and wakes a worker', async () => {
    const ids = await several(3);
    const operation = await operations.start(
      'cancel',
      { ids: [...ids, ids[0]!] },
      'a test account',
      anActor(),
    );
    expect(operation).toMatchObject({ action: 'cancel', state: 'queued', total: 3, actor: 'operator:jane' });
    expect(Object.values(await outcomes(operation.id))).toEqual(['waiting', 'waiting', 'waiting']);
    expect(await query('SELECT actor, action, target, address, data FROM audit_events')).toEqual([
      {
        actor: 'operator:jane',
        action: 'operation_started',
        target: operation.id,
        address: '192.0.2.7',
        data: {
          action: 'cancel',
          reason: 'a test account',
          via: 'console',
          role: 'operator',
          traceId: 'trace-7',
        },
      },
    ]);
    expect(onboardings.added).toEqual([
      { name: 'operate', payload: { operationId: operation.id }, options: { id: operation.id } },
    ]);
    expect(await operations.list(10)).toEqual([operation]);
    expect(await operations.list(10, operation.id)).toEqual([]);
  });

  it('makes an item for each matching onboarding, and does not store personal filter values', async () => {
    const one = await insert({ ...lost, external_ref: 'order-7' });
    await insert(lost);
    const filter = { states: ['outcome_unknown', 'otp_sent'], externalRef: 'order-7' } as const;
    const { id, target } = await operations.start('resolve_not_done', { filter }, 'r', anActor());
    expect(await outcomes(id)).toEqual({ [one]: 'waiting' });
    expect(target).toEqual({ filter: { states: [...filter.states], externalRef: 'not kept' } });
  });

  it('ends the operation immediately if no onboarding matches', async () => {
    const operation = await operations.start('retry', { filter: { states: ['otp_sent'] } }, 'r', anActor());
    expect(operation).toMatchObject({ state: 'done', total: 0 });
  });

  it('is refused if too many onboardings match, and writes nothing', async () => {
    const ids = Array.from({ length: MAX_ITEMS + 1 }, () => randomUUID());
    const started = operations.start('cancel', { ids }, 'r', anActor());
    await expect(started).rejects.toMatchObject({ code: 'validation_failed' });
    expect(await query('SELECT 1 FROM operations UNION ALL SELECT 1 FROM audit_events')).toEqual([]);
  });

  it.each([
    ['a filter without a condition', { filter: {} }, 'r', '/filter'],
    ['a filter whose only member is undefined', { filter: { caller: undefined } }, 'r', '/filter'],
    [
      'a filter without states and with `waiting: false`',
      { filter: { states: [], waiting: false } },
      'r',
      '/filter',
    ],
    ['a blank reason', ever, ' \n', '/reason'],
    ['a long reason', ever, 'r'.repeat(501), '/reason'],
    ['a reason with U+0000', ever, 'r\0', '/reason'],
  ] as const)('is refused with %s', async (_, target, reason, pointer) => {
    const refusal = { code: 'validation_failed', errors: [expect.objectContaining({ pointer })] };
    await expect(operations.start('cancel', target, reason, anActor())).rejects.toMatchObject(refusal);
    if (pointer === '/filter') await expect(operations.preview(target)).rejects.toMatchObject(refusal);
    else await expect(operations.rebuildWakeUps(reason, anActor())).rejects.toMatchObject(refusal);
    expect(await query('SELECT 1 FROM operations UNION ALL SELECT 1 FROM audit_events')).toEqual([]);
  });

  it('is refused if more onboardings match than the dry run showed, and writes nothing', async () => {
    await several(2, lost);
    const target = { filter: { states: ['outcome_unknown'] } } as const;
    const start = (atMost: number) => operations.start('cancel', target, ' r ', anActor(), { atMost });
    await expect(start(1)).rejects.toMatchObject({
      code: 'validation_failed',
      message: 'Now 2 onboardings match; the dry run showed 1. Repeat the dry run.',
    });
    expect(await query('SELECT 1 FROM operations UNION ALL SELECT 1 FROM audit_events')).toEqual([]);
    expect(await start(2)).toMatchObject({ total: 2, reason: 'r' });
  });

  it('removes control characters and invisible characters from the reason', async () => {
    const reason = ' \u001b[2J all\r\n fine \u202e\u200b ';
    const started = await operations.start('cancel', { ids: [randomUUID()] }, reason, anActor());
    expect(started.reason).toBe('[2J all fine');
    const blank = operations.start('cancel', { ids: [randomUUID()] }, '\u200b\u2060', anActor());
    await expect(blank).rejects.toMatchObject({ code: 'validation_failed' });
  });

  it('writes nothing if its idempotency key was used before', async () => {
    const ids = await several(1);
    const key = { caller: 'ops', route: 'POST /v1/operations', key: 'k', fingerprint: 'f', id: randomUUID() };
    const start = () =>
      operations.start('cancel', { ids }, 'r', anActor(), { key: { ...key, lockMs: 1_000 } });
    await start();
    await expect(start()).rejects.toBeInstanceOf(ProblemError);
    const repeated = operations.start('cancel', { ids }, 'r', anActor(), {
      key: { ...key, lockMs: 1_000 },
      atMost: 0,
    });
    await expect(repeated).rejects.not.toMatchObject({ code: 'validation_failed' });
    expect(await operations.list(10)).toHaveLength(1);
  });
});

describe('the worker', () => {
  it('cancels an onboarding, and the timeline shows the operator and the reason', async () => {
    const [id] = await several(1);
    const operation = await operations.start('cancel', { ids: [id!] }, 'a test account', anActor());
    expect(await worker.run(operation.id)).toMatchObject({ outcome: 'done', total: 1, done: 1 });
    const [event] = await onboardings.store.events(id!, 0, 10);
    expect(event).toMatchObject({
      type: 'cancelled',
      data: { by: 'operator:jane', reason: 'a test account' },
    });
    expect((await operations.find(operation.id))!.endedAt).not.toBeNull();
    expect(await worker.run(operation.id)).toEqual({ outcome: 'done' });
  });

  it.each([
    ['retry', waiting, 'retry_scheduled'],
    ['resolve_done', lost, 'resolved'],
    ['resolve_not_done', lost, 'resolved'],
    ['erase', {}, 'erased'],
  ] as const)('carries out "%s"', async (action, columns, type) => {
    const id = await insert(columns);
    const operation = await operations.start(action, { ids: [id] }, 'r', anActor());
    await worker.run(operation.id);
    expect(await outcomes(operation.id)).toEqual({ [id]: 'done' });
    expect(await onboardings.eventTypes(id)).toContain(type);
  });

  it('records the reason of each refusal, and continues with the next item', async () => {
    const [fits, sent, ended, gone, other] = [
      await insert(waiting),
      await insert({ state: 'otp_sent' }),
      await insert({ state: 'cancelled' }),
      randomUUID(),
      await insert({ ...waiting, integration: 'other' }),
    ];
    const actor = anActor({ integrations: ['byzantine'] });
    const { id } = await operations.start('retry', { ids: [fits, sent, ended, gone, other] }, 'r', actor);
    expect(await worker.run(id)).toEqual({ outcome: 'done', total: 5, done: 1, refused: 4, failed: 0 });
    expect(await outcomes(id)).toEqual({
      [fits]: 'done',
      [sent]: 'refused illegal_state',
      [ended]: 'refused onboarding_ended',
      [gone]: 'refused not_found',
      [other]: 'refused not_found',
    });
    expect(await operations.items(id, { outcome: 'done', limit: 10 })).toMatchObject([
      { onboardingId: fits },
    ]);
    expect(await operations.find(id, ['another'])).toBeNull();
    expect(await operations.find(id, ['byzantine', 'another'])).not.toBeNull();
  });

  it('records an item as failed if the service throws an unexpected error', async () => {
    const ids = await several(1);
    onboardings.module.get(Executors).register('resend', () => Promise.reject(new Error('a fault')));
    const { id } = await operations.start('resend', { ids }, 'r', anActor());
    expect(await worker.run(id)).toMatchObject({ outcome: 'done', failed: 1 });
    expect(await outcomes(id)).toEqual({ [ids[0]!]: 'failed internal' });
  });

  it.each([
    [
      'waits',
      { parked_reason: 'integration_paused', parked_at: inMs(-1) },
      'done',
      'code not sent yet: integration_paused',
    ],
    ['is in flight', { lease_until: inMs(60_000) }, 'done', 'code not sent yet: in_progress'],
    [
      'was not sent',
      { state: 'otp_needed', step: null, reason: 'send_failed', last_result: failedSend },
      'failed',
      'The code was not sent.',
    ],
    ['was sent', { state: 'otp_sent', step: null }, 'done', null],
  ])('records what became of the code of a resend: the code %s', async (_, columns, outcome, detail) => {
    const id = await insert({ state: 'otp_requested', step: 'init-otp', ...columns });
    onboardings.module.get(Executors).register('resend', () => onboardings.load(id));
    const operation = await operations.start('resend', { ids: [id] }, 'r', anActor());
    await worker.run(operation.id);
    const [item] = await operations.items(operation.id, { limit: 1 });
    expect(item).toMatchObject({ outcome, detail });
  });

  it('decides only the attempt that was unresolved when the operation started', async () => {
    const doubt = { step: 'create-authenticators', attempt: 3, at: 'then' };
    const ids = [
      await insert(lost),
      await insert({ state: 'cancelled', unresolved: [doubt] }),
      await insert({ ...lost, step: 'verify-otp' }),
    ];
    const { id } = await operations.start('resolve_not_done', { ids }, 'seen at the provider', anActor());
    await query(`UPDATE onboardings SET attempt = 5, unresolved = jsonb_set(unresolved, '{0,attempt}', '5')
      WHERE unresolved <> '[]'`);
    await query(`UPDATE onboardings SET attempt = 5`);
    await worker.run(id);
    expect(await outcomes(id)).toEqual(
      Object.fromEntries(ids.map((each) => [each, 'refused illegal_state'])),
    );
    const [item] = await operations.items(id, { limit: 1 });
    expect(item!.detail).toBe('Attempt 5 is unresolved now. The decision is about attempt 3.');
  });

  it('stops between two batches after an abort', async () => {
    const ids = await several(25);
    let aborted: Promise<unknown> | undefined;
    onboardings.module.get(Executors).register('resend', async () => {
      await (aborted ??= operations.abort(id, 'a wrong filter', anActor()));
      return null;
    });
    const { id } = await operations.start('resend', { ids }, 'r', anActor());
    expect(await worker.run(id)).toEqual({ outcome: 'aborted', total: 25, done: 10, refused: 0, failed: 0 });
    expect(await operations.items(id, { outcome: 'waiting', limit: 100 })).toHaveLength(15);
    expect(
      await query(`SELECT data ->> 'reason' AS reason FROM audit_events WHERE action LIKE '%aborted'`),
    ).toEqual([{ reason: 'a wrong filter' }]);
    await expect(operations.abort(id, 'again', anActor())).rejects.toMatchObject({ code: 'illegal_state' });
    expect(await worker.run(id)).toEqual({ outcome: 'aborted' });
  });

  it('does not repeat an item after a crash between its command and the record of its result', async () => {
    const ids = await several(12);
    const { id } = await operations.start('cancel', { ids }, 'r', anActor());
    const statements = onboardings.module.get(PreparedStatements);
    const run = statements.run.bind(statements);
    jest.spyOn(statements, 'run').mockImplementation(async (statement, values) => {
      if (statement.name === RECORD.name) throw new Error('the process dies here');
      return run(statement, values);
    });
    await expect(worker.run(id)).rejects.toThrow('dies here');
    jest.restoreAllMocks();
    // A worker skips items that are still leased.
    expect(await worker.runAll()).toEqual({ [id]: 'running' });
    expect(await operations.find(id)).toMatchObject({ state: 'running', done: 2 });
    await query(`UPDATE operation_items SET lease_until = clock_timestamp() - interval '1 ms'
      WHERE outcome = 'waiting'`);
    expect(await worker.runAll()).toEqual({ [id]: 'done' });
    expect(await operations.find(id)).toMatchObject({ total: 12, done: 12, refused: 0 });
    for (const each of ids) expect(await onboardings.eventTypes(each)).toEqual(['cancelled']);
  });

  it('shares an operation with another worker, and they do each item once', async () => {
    const other = await openOnboardings();
    try {
      const ids = await several(60);
      const calls: string[] = [];
      const [by, byOther] = [{ count: 0 }, { count: 0 }];
      for (const [module, who] of [
        [onboardings.module, by],
        [other.module, byOther],
      ] as const) {
        module.get(Executors).register('resend', async (each) => {
          calls.push(each);
          who.count += 1;
          await until('both work', () => by.count > 0 && byOther.count > 0);
          return null;
        });
      }
      const { id } = await operations.start('resend', { ids }, 'r', anActor());
      await Promise.all([worker.run(id), other.module.get(OperationWorker).run(id)]);
      expect(calls.sort()).toEqual(ids.sort());
      expect(await operations.find(id)).toMatchObject({ done: 60, state: 'done' });
    } finally {
      await other.close();
    }
  });
});

describe('old operations', () => {
  it('are deleted with their items after AUDIT_KEEP_DAYS', async () => {
    const ids = await several(2);
    const [old, recent] = [
      await operations.start('cancel', { ids }, 'r', anActor()),
      await operations.start('cancel', { ids }, 'r', anActor()),
    ];
    await worker.runAll();
    await query(`UPDATE operations SET ended_at = ended_at - interval '401 days' WHERE id = $1`, [old.id]);
    const { operations: forgotten } = await onboardings.module.get(Retention).run();
    expect(forgotten).toBe(1);
    expect(await operations.find(old.id)).toBeNull();
    expect(await operations.items(old.id, { limit: 10 })).toEqual([]);
    expect(await operations.items(recent.id, { limit: 10 })).toHaveLength(2);
  });
});

describe('the action rebuild_wake_ups', () => {
  it('queues a job for each waiting step, and counts the jobs', async () => {
    const due = await insert({ ...waiting, next_attempt_at: inMs(-60_000), due_at: inMs(60_000) });
    const later = await insert({ ...waiting, state: 'otp_requested', step: 'init-otp' });
    const dead = await insert({ ...waiting, next_attempt_at: null, lease_until: inMs(-1_000) });
    await insert({ ...waiting, next_attempt_at: null, lease_until: inMs(60_000) });
    await insert({ ...waiting, parked_reason: 'integration_missing', parked_at: inMs(-1) });
    await insert({ state: 'otp_sent' });
    const { id } = await operations.rebuildWakeUps('Redis was flushed', anActor());
    onboardings.added.splice(0);
    expect(await worker.run(id)).toMatchObject({ outcome: 'done', total: 3, done: 3 });
    const byRow = new Map(onboardings.added.map(({ payload, options }) => [payload, options]));
    const jobs = [...byRow].map(([payload, options]) => ({ ...(payload as object), ...options }));
    expect(jobs).toHaveLength(3);
    expect(jobs).toContainEqual({ onboardingId: due, id: `${due}_verify-otp_3` });
    expect(jobs).toContainEqual({ onboardingId: dead, id: `${dead}_verify-otp_3` });
    expect(jobs).toContainEqual({
      onboardingId: later,
      id: `${later}_init-otp_3`,
      delayMs: expect.any(Number),
    });
    expect(await query('SELECT action, target FROM audit_events')).toEqual([
      { action: 'operation_started', target: id },
    ]);
  });

  it('stops after an abort', async () => {
    for (const step of ['init-otp', 'verify-otp']) {
      const state = step === 'init-otp' ? 'otp_requested' : 'otp_submitted';
      await insert({ ...waiting, state, step, next_attempt_at: inMs(-1) });
    }
    const { id } = await operations.rebuildWakeUps('Redis was flushed', anActor());
    onboardings.added.splice(0);
    const wake = jest.spyOn(onboardings.module.get(JobProducer), 'wake');
    wake.mockImplementation(async () => {
      await operations.abort(id, 'it was not', anActor());
      return 'queued';
    });
    expect(await worker.run(id)).toMatchObject({ outcome: 'aborted', total: 0 });
    expect(wake).toHaveBeenCalledTimes(1);
  });

  it('runs in one worker, and continues in another worker after a crash', async () => {
    await insert({ ...waiting, next_attempt_at: inMs(-1) });
    const { id } = await operations.rebuildWakeUps('Redis was flushed', anActor());
    const other = await openOnboardings();
    try {
      const byOther = other.module.get(OperationWorker);
      const wake = jest.spyOn(onboardings.module.get(JobProducer), 'wake');
      wake.mockImplementationOnce(async () => {
        expect(await byOther.run(id)).toMatchObject({ outcome: 'running' });
        await query(`UPDATE operations SET lease_until = clock_timestamp() - interval '1 second'`);
        expect(await byOther.run(id)).toMatchObject({ outcome: 'done', total: 1 });
        return 'queued';
      });
      expect(await worker.run(id)).toMatchObject({ outcome: 'done', total: 1, done: 1 });
      expect(other.added).toMatchObject([{ name: 'verify-otp' }]);
    } finally {
      await other.close();
    }
  });

  it('starts only once for the same idempotency key', async () => {
    const key = { caller: 'ops', route: 'POST /v1/operations', key: 'k', fingerprint: 'f', id: randomUUID() };
    const start = () => operations.rebuildWakeUps('r', anActor(), { ...key, lockMs: 1_000 });
    expect(await start()).toMatchObject({ id: key.id });
    await expect(start()).rejects.toMatchObject({ code: 'illegal_state', retryable: true });
    expect(await operations.list(10)).toHaveLength(1);
  });

  it('continues later if Redis accepts no jobs', async () => {
    await insert({ ...waiting, next_attempt_at: inMs(-1) });
    const { id } = await operations.rebuildWakeUps('Redis was flushed', anActor());
    const ready = jest.spyOn(onboardings.module.get(Queues), 'isReady').mockReturnValue(false);
    expect(await worker.run(id)).toMatchObject({ outcome: 'running', total: 0 });
    ready.mockRestore();
    expect(await worker.runAll()).toEqual({ [id]: 'done' });
  });
});
