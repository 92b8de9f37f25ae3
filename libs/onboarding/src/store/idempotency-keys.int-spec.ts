import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { IdempotencyKeys, type KeyedRequest } from './idempotency-keys.js';

let onboardings: Onboardings;
let keys: IdempotencyKeys;
beforeAll(async () => {
  onboardings = await openOnboardings();
  keys = onboardings.module.get(IdempotencyKeys);
});
afterAll(() => onboardings.close());

async function answered(): Promise<KeyedRequest> {
  const request = {
    caller: 'shop',
    route: 'POST /v1/onboardings',
    key: randomUUID(),
    fingerprint: 'f',
    id: randomUUID(),
  };
  await onboardings.dataSource.query(
    'INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by) VALUES ($1, $2, $3, $4, $5)',
    [request.caller, request.route, request.key, request.fingerprint, request.id],
  );
  await keys.answer(request, { status: 201, headers: {}, body: '{"to": "ana"}' });
  return request;
}

describe('a stored answer', () => {
  it('can be decrypted for its own request', async () => {
    const request = await answered();
    expect(await keys.find(request)).toMatchObject({ answer: { status: 201, body: '{"to": "ana"}' } });
  });

  it('comes only from the request that first used the key', async () => {
    const request = await answered();
    const { key } = request;
    await onboardings.dataSource.query('UPDATE idempotency_keys SET sealed_answer = NULL WHERE key = $1', [
      key,
    ]);
    const another = { status: 200, headers: {}, body: 'another' };
    expect(await keys.answer({ ...request, id: randomUUID() }, another)).toBe(another);
    expect(await keys.find(request)).toMatchObject({ answer: null });
  });

  it('is not given to an earlier request whose key was released', async () => {
    const request = await answered();
    const { dataSource } = onboardings;
    const other = randomUUID();
    await dataSource.query('UPDATE idempotency_keys SET sealed_answer = NULL, taken_by = $2 WHERE key = $1', [
      request.key,
      other,
    ]);
    await keys.answer({ ...request, id: other }, { status: 200, headers: {}, body: 'of the other' });
    const own = { status: 200, headers: {}, body: 'own' };
    expect(await keys.answer(request, own)).toBe(own);
  });

  it('is not changed by a later answer', async () => {
    const request = await answered();
    const second = { status: 200, headers: {}, body: 'second' };
    expect(await keys.answer(request, second)).toEqual({ status: 201, headers: {}, body: '{"to": "ana"}' });
    expect(await keys.find(request)).toMatchObject({ answer: { status: 201 } });
  });

  it('exists for each of many requests that ran at the same time', async () => {
    const requests = await Promise.all(Array.from({ length: 20 }, answered));
    for (const request of requests)
      expect(await keys.find(request)).toMatchObject({ answer: { status: 201 } });
  });

  it.each(['caller', 'route', 'key'] as const)(
    'cannot be opened after its row was copied to another %s',
    async (part) => {
      const request = await answered();
      const copy = { ...request, [part]: randomUUID() };
      await onboardings.dataSource.query(
        `INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, sealed_answer)
       SELECT $1, $2, $3, fingerprint, taken_by, sealed_answer FROM idempotency_keys WHERE key = $4`,
        [copy.caller, copy.route, copy.key, request.key],
      );
      await expect(keys.find(copy)).rejects.toThrow();
    },
  );
});

describe('an expired key', () => {
  it('is deleted, and other keys stay', async () => {
    const [old, young] = [await answered(), await answered()];
    await onboardings.dataSource.query(
      `UPDATE idempotency_keys SET created_at = created_at - interval '1 year' WHERE key = $1`,
      [old.key],
    );
    expect(await keys.forget()).toBe(1);
    expect([await keys.find(old), (await keys.find(young))?.fingerprint]).toEqual([null, 'f']);
  });
});
