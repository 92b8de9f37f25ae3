import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { uuidV7 } from '#libs/kernel';
import { Sealer } from '#libs/platform';
import { aCaller, anOnboarding, until } from '#libs/testing';
import { DataKeys } from './data-keys.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { OnboardingLists } from './onboarding-lists.js';
import { OnboardingService } from './onboarding.service.js';
import { Reseal } from './reseal.js';
import { Subjects } from './subjects.js';

const OLD = { id: 'old', key: randomBytes(32) };
const NEW = { id: 'new', key: randomBytes(32) };
const list = (...keys: (typeof OLD)[]) =>
  keys.map(({ id, key }) => `${id}:${key.toString('base64')}`).join(',');

/** What the row of an erased onboarding holds. */
const ERASED = `subject = '{}', subject_key = 'erased:' || id, sealed_contact = NULL, sealed_data_key = NULL,
  data_key_id = NULL, otp_handle = NULL, metadata = '{}', external_ref = NULL`;

let opened: Onboardings[] = [];
/** A process with these keys. */
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

/** A row with a key of its own, a contact and a code sealed with it. */
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

async function codeIn(at: Onboardings, id: string): Promise<string> {
  const row = await at.load(id);
  return at.module.get(DataKeys).of(row).open({ onboardingId: id, field: 'otp_code' }, row.sealedOtpCode!);
}

describe('a rotation', () => {
  it('leaves nothing on the old key, which may then be dropped', async () => {
    const ids = await Promise.all(Array.from({ length: 450 }, (_, n) => sealedRow(before, `code${n}`)));
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

  it('is done once by workers that do it at once, and each value opens', async () => {
    const ids = await Promise.all(Array.from({ length: 250 }, () => sealedRow(before)));
    const others = await having(NEW, OLD);
    const runs = await Promise.all([reseal(after).run(), reseal(others).run()]);
    expect(runs[0].resealed + runs[1].resealed).toBe(250);
    const later = await having(NEW);
    for (const id of ids) expect(await codeIn(later, id)).toBe('123456');
  });

  it('that was cut short in the middle goes on where it was', async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => sealedRow(before)));
    const cut = ids[2]!;
    const row = await after.load(cut);
    const wrapped = after.module.get(DataKeys).wrappedAnew(cut, row.sealedDataKey!);
    await after.dataSource.query(
      'UPDATE onboardings SET sealed_data_key = $2, data_key_id = $3 WHERE id = $1',
      [cut, wrapped.sealedDataKey, wrapped.dataKeyId],
    );
    for (const id of ids) expect(await codeIn(after, id)).toBe('123456');
    expect(await reseal(after).run()).toMatchObject({ resealed: 4, left: { old: 0 } });
  });

  it('does not wait for a row that somebody writes, and takes it the next time', async () => {
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

  it('tells of a key that was dropped too early, by its id, and never of the key', async () => {
    const id = await sealedRow(before);
    const early = await having(NEW);
    expect(await reseal(early).run()).toMatchObject({ resealed: 0, unopenable: 1, left: { new: 0, old: 1 } });
    await expect(codeIn(early, id)).rejects.toThrow(
      'data_key is sealed with key "old", which SEALING_KEYS does not have',
    );
  });

  it('with a key dropped too early hides no list and no command: such a row is told without its contact', async () => {
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
    // Nothing is sent to a provider on behalf of somebody unknown.
    const row = await early.load(lost);
    expect(() => early.module.get(Subjects).opened(row)).toThrow('which SEALING_KEYS does not have');
  });

  it('counts what the version before sealed without a key of the row, and the answers that are kept', async () => {
    const id = uuidV7(Date.now());
    const ring = before.module.get(Sealer);
    await anOnboarding(before.dataSource, {
      id,
      sealed_otp_code: ring.seal({ onboardingId: id, field: 'otp_code' }, '123456'),
    });
    const request = { caller: 'a', route: 'b', key: randomUUID(), fingerprint: 'c', id: randomUUID() };
    await before.dataSource.query(
      `INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by) VALUES ('a', 'b', $1, 'c', $2)`,
      [request.key, request.id],
    );
    await before.module.get(IdempotencyKeys).answer(request, { status: 200, headers: {}, body: '{}' });
    expect(await reseal(after).run()).toMatchObject({ resealed: 0, left: { new: 0, old: 2 } });
    expect(await codeIn(after, id)).toBe('123456');
  });
});

describe('what the version before left in the clear', () => {
  const contact = (value: string) => ({ contact: { type: 'email', value }, userId: 'u' });
  const inClear = (value: string, columns: Record<string, unknown> = {}) =>
    anOnboarding(before.dataSource, {
      subject: contact(value),
      subject_key: `email:${value}`,
      provider: 'turnkey',
      ...columns,
    });
  const everything = async () =>
    JSON.stringify(
      await Promise.all(
        ['onboardings', 'otp_budgets', 'credentials', 'idempotency_keys'].map((table) =>
          before.dataSource.query(`SELECT t::text FROM ${table} t`),
        ),
      ),
    );

  it('is sealed: contact, key, limits, passkeys and kept answers', async () => {
    const id = await inClear('ana@example.com');
    const key = after.module.get(Subjects).blind('email:ana@example.com');
    const { dataSource } = after;
    await dataSource.query(
      `INSERT INTO otp_budgets (integration, subject_key, sends) VALUES
         ('byzantine', 'email:ana@example.com', ARRAY['2026-01-01Z'::timestamptz, '2026-01-03Z']),
         ('byzantine', $1, ARRAY['2026-01-02Z'::timestamptz])`,
      [key],
    );
    await dataSource.query(
      `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id, registered)
       VALUES ('byzantine', 'email:ana@example.com', 'c', $1, true)`,
      [id],
    );
    const request = { caller: 'a', route: 'b', key: 'k', fingerprint: 'c', id: randomUUID() };
    await dataSource.query(
      `INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, status, headers, body)
       VALUES ('a', 'b', 'k', 'c', $1, 201, '{"etag": "1"}', '{"to": "ana@example.com"}')`,
      [request.id],
    );
    expect(await everything()).toContain('ana@');
    expect(await reseal(after).run()).toMatchObject({ contactsSealed: 1, answersSealed: 1 });
    expect(await everything()).not.toContain('ana@');

    const row = await after.load(id);
    expect(row).toMatchObject({ subject: { userId: 'u' }, subjectKey: key, dataKeyId: 'new' });
    expect(after.module.get(Subjects).opened(row).subject).toEqual(contact('ana@example.com'));
    expect(await dataSource.query('SELECT subject_key, sends FROM otp_budgets')).toEqual([
      { subject_key: key, sends: ['2026-01-01', '2026-01-02', '2026-01-03'].map((day) => new Date(day)) },
    ]);
    expect(await dataSource.query('SELECT subject_key, registered FROM credentials')).toEqual([
      { subject_key: key, registered: true },
    ]);
    expect(await after.module.get(IdempotencyKeys).find(request)).toMatchObject({
      answer: { status: 201, headers: { etag: '1' }, body: '{"to": "ana@example.com"}' },
    });
  });

  it('leaves of a passkey that is there twice the one under the blind key, registered if either was', async () => {
    const id = await inClear('kim@example.com', { state: 'completed' });
    const key = after.module.get(Subjects).blind('email:kim@example.com');
    await after.dataSource.query(
      `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id, registered) VALUES
         ('byzantine', 'email:kim@example.com', 'both', $1, true), ('byzantine', $2, 'both', $1, false),
         ('byzantine', 'email:kim@example.com', 'one', $1, true)`,
      [id, key],
    );
    await reseal(after).run();
    expect(
      await after.dataSource.query(
        'SELECT subject_key, credential_id, registered FROM credentials ORDER BY credential_id',
      ),
    ).toEqual([
      { subject_key: key, credential_id: 'both', registered: true },
      { subject_key: key, credential_id: 'one', registered: true },
    ]);
  });

  it('leaves no passkey behind an erasure at the same moment', async () => {
    const id = await inClear('lee@example.com', { state: 'completed' });
    await after.dataSource.query(
      `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id, registered)
       VALUES ('byzantine', 'email:lee@example.com', 'c', $1, true)`,
      [id],
    );
    // Who renames is held up after it has begun; the erasure comes meanwhile.
    const [holder, eraser] = [after.dataSource.createQueryRunner(), after.dataSource.createQueryRunner()];
    await holder.startTransaction();
    await holder.query(`SELECT 1 FROM credentials WHERE credential_id = 'c' FOR UPDATE`);
    const renaming = reseal(after).run();
    const waiting = (query: string) =>
      until(`${query} waits`, async () => {
        const rows = await after.dataSource.query(
          `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
             AND query LIKE $1`,
          [`%${query}%`],
        );
        return rows.length > 0;
      });
    await waiting('FROM credentials');
    const erasing = eraser.query(
      `UPDATE onboardings SET ${ERASED}, erased_at = clock_timestamp() WHERE id = $1`,
      [id],
    );
    await waiting('erased_at = clock_timestamp()');
    await holder.commitTransaction();
    await Promise.all([renaming, erasing]);
    await Promise.all([holder.release(), eraser.release()]);
    expect(await after.dataSource.query('SELECT subject_key FROM credentials')).toEqual([]);
  });

  it('waits while its subject has a live onboarding of this version, so that it has one at most', async () => {
    const clear = await inClear('bob@example.com');
    const blind = await anOnboarding(after.dataSource, {
      subject_key: after.module.get(Subjects).blind('email:bob@example.com'),
    });
    expect(await reseal(after).run()).toMatchObject({ contactsSealed: 0 });
    await after.dataSource.query(`UPDATE onboardings SET state = 'cancelled' WHERE id = $1`, [blind]);
    expect(await reseal(after).run()).toMatchObject({ contactsSealed: 1 });
    expect((await after.load(clear)).subject).toEqual({ userId: 'u' });
  });

  it('opens what was sealed with the ring, also once the row has a key', async () => {
    const id = uuidV7(Date.now());
    const ring = before.module.get(Sealer);
    const sealed = ring.seal({ onboardingId: id, field: 'otp_code' }, '654321');
    await inClear('eve@example.com', { id, sealed_otp_code: sealed });
    await reseal(after).run();
    expect(await codeIn(after, id)).toBe('654321');
  });
});
