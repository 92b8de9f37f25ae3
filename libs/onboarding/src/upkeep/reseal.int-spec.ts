import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { uuidV7 } from '#libs/kernel';
import { Sealer } from '#libs/platform';
import { aCaller, anOnboarding } from '#libs/testing';
import { OnboardingLists } from '../commands/onboarding-lists.js';
import { OnboardingService } from '../commands/onboarding.service.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { DataKeys } from '../store/data-keys.js';
import { IdempotencyKeys } from '../store/idempotency-keys.js';
import { Subjects } from '../store/subjects.js';
import { Reseal } from './reseal.js';

const OLD = { id: 'old', key: randomBytes(32) };
const NEW = { id: 'new', key: randomBytes(32) };
const list = (...keys: (typeof OLD)[]) =>
  keys.map(({ id, key }) => `${id}:${key.toString('base64')}`).join(',');

let opened: Onboardings[] = [];
async function having(...keys: (typeof OLD)[]): Promise<Onboardings> {
  const one = await openOnboardings([], { SEALING_KEYS: list(...keys) });
  opened.push(one);
  return one;
}
let before: Onboardings;
let after: Onboardings;
beforeEach(async () => {
  before = await having(OLD);
  after = await having(NEW, OLD);
  await before.dataSource.query('DELETE FROM onboardings');
  await before.dataSource.query('DELETE FROM otp_budgets');
  await before.dataSource.query('DELETE FROM credentials');
  await before.dataSource.query('DELETE FROM idempotency_keys');
});
afterEach(async () => {
  await Promise.all(opened.map((each) => each.close()));
  opened = [];
});

const reseal = (at: Onboardings) => at.module.get(Reseal);

async function sealedRow(at: Onboardings, code = '123456'): Promise<string> {
  const id = uuidV7(Date.now());
  const { patch, sealer } = at.module.get(DataKeys).fresh(id);
  const parsed = {
    subject: { contact: { type: 'email', value: `${id}@example.com` }, userId: 'u' },
    key: `email:${id}@example.com`,
    personal: ['contact'],
  };
  const { subject, subjectKey, sealedContact } = at.module.get(Subjects).columnsOf(id, sealer, parsed);
  return anOnboarding(at.dataSource, {
    id,
    subject,
    subject_key: subjectKey,
    sealed_contact: sealedContact,
    sealed_data_key: patch.sealedDataKey,
    data_key_id: patch.dataKeyId,
    sealed_otp_code: sealer.seal({ onboardingId: id, field: 'otp_code' }, code),
  });
}

/** One after the other, because hundreds of simultaneous inserts would wait too long for a connection. */
async function sealedRows(count: number, code?: (n: number) => string): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await sealedRow(before, code?.(n)));
  return ids;
}

async function codeIn(at: Onboardings, id: string): Promise<string> {
  const row = await at.load(id);
  return at.module
    .get(DataKeys)
    .sealerOf(row)
    .open({ onboardingId: id, field: 'otp_code' }, row.sealedOtpCode!);
}

describe('a rotation of SEALING_KEYS', () => {
  it('leaves no value under the old key, so that the old key may be removed', async () => {
    const ids = await sealedRows(450, (n) => `code${n}`);
    expect(await reseal(after).uses()).toEqual({ new: 0, old: 450 });
    expect(await reseal(after).run()).toMatchObject({ resealed: 450, left: { new: 450, old: 0 } });
    const later = await having(NEW);
    expect(await reseal(later).uses()).toEqual({ new: 450 });
    for (const [n, id] of ids.entries()) expect(await codeIn(later, id)).toBe(`code${n}`);
    const row = await later.load(ids[7]!);
    expect(later.module.get(Subjects).opened(row).subject).toEqual({
      contact: { type: 'email', value: `${ids[7]}@example.com` },
      userId: 'u',
    });
  });

  it('by concurrent workers re-encrypts each value once, and all values stay readable', async () => {
    const ids = await sealedRows(250);
    const others = await having(NEW, OLD);
    const runs = await Promise.all([reseal(after).run(), reseal(others).run()]);
    expect(runs[0].resealed + runs[1].resealed).toBe(250);
    const later = await having(NEW);
    for (const id of ids) expect(await codeIn(later, id)).toBe('123456');
  });

  it('continues after an interruption', async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => sealedRow(before)));
    const cut = ids[2]!;
    const row = await after.load(cut);
    const wrapped = after.module.get(DataKeys).rewrapped(cut, row.sealedDataKey!);
    await after.dataSource.query(
      'UPDATE onboardings SET sealed_data_key = $2, data_key_id = $3 WHERE id = $1',
      [cut, wrapped.sealedDataKey, wrapped.dataKeyId],
    );
    for (const id of ids) expect(await codeIn(after, id)).toBe('123456');
    expect(await reseal(after).run()).toMatchObject({ resealed: 4, left: { old: 0 } });
  });

  it('skips a row that another statement is writing, and takes it in the next run', async () => {
    const [held, free] = [await sealedRow(before), await sealedRow(before)];
    const runner = after.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [held]);
    expect(await reseal(after).run()).toMatchObject({ resealed: 1, left: { old: 1, new: 1 } });
    await runner.commitTransaction();
    await runner.release();
    expect(await reseal(after).run()).toMatchObject({ resealed: 1, left: { old: 0, new: 2 } });
    expect(await codeIn(await having(NEW), free)).toBe('123456');
  });

  it('reports the id of a key that was removed too early, and never the key itself', async () => {
    const id = await sealedRow(before);
    const early = await having(NEW);
    expect(await reseal(early).run()).toMatchObject({ resealed: 0, unopenable: 1, left: { new: 0, old: 1 } });
    await expect(codeIn(early, id)).rejects.toThrow(
      'data_key is sealed with key "old", which SEALING_KEYS does not have',
    );
  });

  it('that removed a key too early breaks no command, and reads leave out the contact', async () => {
    const [lost, kept] = [await sealedRow(before), await sealedRow(after)];
    const early = await having(NEW);
    const service = early.module.get(OnboardingService);
    const { rows } = await early.module.get(OnboardingLists).list({ limit: 10 }, aCaller());
    expect(rows.map(({ id, subject }) => [id, Object.keys(subject).sort()])).toEqual([
      [kept, ['contact', 'userId']],
      [lost, ['userId']],
    ]);
    expect((await service.load(lost, aCaller())).subject).toEqual({ userId: 'u' });
    const cancelled = await service.cancel(lost, undefined, { caller: aCaller(), waitMs: 0 });
    expect(cancelled).toMatchObject({ state: 'cancelled', subject: { userId: 'u' } });
    // The contact cannot be decrypted, so the service cannot call the provider for this row.
    const row = await early.load(lost);
    expect(() => early.module.get(Subjects).opened(row)).toThrow('which SEALING_KEYS does not have');
  });

  it('also counts submitted codes and stored answers, which no data key seals', async () => {
    const id = uuidV7(Date.now());
    const ring = before.module.get(Sealer);
    await anOnboarding(before.dataSource, {
      id,
      state: 'otp_submitted',
      step: 'verify-otp',
      sealed_otp_code: ring.seal({ onboardingId: id, field: 'otp_code' }, '123456'),
    });
    const request = { caller: 'a', route: 'b', key: randomUUID(), fingerprint: 'c', id: randomUUID() };
    await before.dataSource.query(
      `INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by)
      VALUES ('a', 'b', $1, 'c', $2)`,
      [request.key, request.id],
    );
    await before.module.get(IdempotencyKeys).answer(request, { status: 200, headers: {}, body: '{}' });
    expect(await reseal(after).run()).toMatchObject({ resealed: 0, left: { new: 0, old: 2 } });
    expect(await codeIn(after, id)).toBe('123456');
  });
});
