import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { anOnboarding, inMs } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { Retention } from './retain.js';

const DAY_MS = 86_400_000;
const ages = { young: inMs(-29 * DAY_MS), old: inMs(-31 * DAY_MS) };

let thirty: Onboardings;
let ever: Onboardings;
beforeAll(async () => {
  thirty = await openOnboardings([], { RETENTION_DAYS: '30' });
  ever = await openOnboardings([], { RETENTION_DAYS: '0' });
});
afterAll(() => Promise.all([thirty.close(), ever.close()]));

const run = (at: Onboardings) => at.module.get(Retention).run();
const aged = (age: keyof typeof ages, columns: Record<string, unknown> = {}) =>
  anOnboarding(thirty.dataSource, {
    state: 'completed',
    updated_at: ages[age],
    external_ref: 'r',
    metadata: { a: 1 },
    ...columns,
  });

describe('retention', () => {
  it('erases onboardings that ended long enough ago, but no live or recently ended ones', async () => {
    const old = await Promise.all(
      ['completed', 'failed', 'expired', 'cancelled'].map((state) => aged('old', { state })),
    );
    const kept = [await aged('young'), await aged('old', { state: 'otp_sent' })];
    expect((await run(ever))['erased']).toBe(0);
    expect((await run(thirty))['erased']).toBe(4);
    for (const id of old) {
      expect(await thirty.load(id)).toMatchObject({ subject: {}, externalRef: null, metadata: {} });
      expect(await thirty.store.events(id, 0, 9)).toMatchObject([{ type: 'erased', actor: 'service' }]);
    }
    for (const id of kept) expect(await thirty.load(id)).toMatchObject({ erasedAt: null, externalRef: 'r' });
    expect((await run(thirty))['erased']).toBe(0);
  });

  it('erases each onboarding once, even if concurrent workers erase several batches', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 230; n++) ids.push(await aged('old'));
    const runs = await Promise.all([run(thirty), run(thirty)]);
    expect((runs[0]['erased'] ?? 0) + (runs[1]['erased'] ?? 0)).toBe(230);
    // A worker stops when another worker has erased all rows of its batch. Together, they must leave no row.
    expect((await run(thirty))['erased']).toBe(0);
    const [{ left }] = await thirty.dataSource.query(
      `SELECT count(*)::int AS left FROM onboardings WHERE id = ANY ($1) AND erased_at IS NULL`,
      [ids],
    );
    expect(left).toBe(0);
  });

  it('erases nothing after an abort, and leaves the rest to the next run', async () => {
    const id = await aged('old');
    expect((await thirty.module.get(Retention).run(AbortSignal.abort()))['erased']).toBe(0);
    expect(await thirty.load(id)).toMatchObject({ erasedAt: null });
    expect((await run(thirty))['erased']).toBe(1);
  });

  it('reports how many rows each other lib has deleted, under the name that the lib registered', async () => {
    const name = `n${randomUUID().slice(0, 8)}`;
    thirty.module.get(Retention).register(name, () => Promise.resolve(7));
    expect(await run(thirty)).toMatchObject({ [name]: 7, idempotencyKeys: 0 });
    expect(() => thirty.module.get(Retention).register(name, () => Promise.resolve(1))).toThrow('twice');
  });
});
