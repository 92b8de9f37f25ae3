import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { DataSource } from 'typeorm';
import { uuidV7 } from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { anOnboarding } from '#libs/testing';
import { openViews } from '../fixtures/open-views.js';
import { blindKey } from '../store/subjects.js';
import { OnboardingSearch } from './onboarding-search.js';

const [ACCOUNT, ORGANIZATION, USER, OTP_ID] = Array.from({ length: 4 }, () => randomUUID());

let views: TestingModule;
let search: OnboardingSearch;
let id: string;
let other: string;
beforeAll(async () => {
  views = await openViews();
  search = views.get(OnboardingSearch);
});
afterAll(() => views.close());
beforeEach(async () => {
  const database = views.get(DataSource);
  await database.query('TRUNCATE onboardings');
  id = await anOnboarding(database, {
    subject: { accountId: ACCOUNT, userId: USER },
    external_ref: 'order 66',
    otp_handle: OTP_ID,
  });
  other = await anOnboarding(database, {
    id: uuidV7(Date.now() + 1),
    integration: 'turnkey',
    provider: 'turnkey',
    subject: { organizationId: ORGANIZATION, userId: randomUUID() },
    subject_key: blindKey(views.get(KeyedHash), 'email:ana@example.com'),
    sealed_contact: Buffer.from('sealed'),
    caller: 'shop',
    state: 'completed',
  });
});

const found = async (text: string) => (await search.search(text)).map((row) => row.id);

describe('a search', () => {
  it.each([
    ['its id', () => id, () => [id]],
    ['its id in upper case, with blanks around', () => ` ${id.toUpperCase()}\n`, () => [id]],
    ['its externalRef', () => 'order 66', () => [id]],
    ['the account', () => ACCOUNT!, () => [id]],
    ['the user', () => USER!.toUpperCase(), () => [id]],
    ['the organization', () => ORGANIZATION!, () => [other]],
    ['the otpId of its live code', () => OTP_ID!, () => [id]],
    ['the contact, as a person types it', () => 'Ana@Example.com', () => [other]],
    ['a contact that no onboarding has', () => 'eve@example.com', () => []],
    ['an unknown id, without a result', () => randomUUID(), () => []],
    ['blanks only, without a result', () => '  ', () => []],
    ['a character that PostgreSQL cannot store, without a result', () => '\0', () => []],
    ['SQL code, without a result', () => `' OR 1=1 --`, () => []],
  ])('finds an onboarding by %s', async (_, text, ids) => {
    expect(await found(text())).toEqual(ids());
  });

  it('returns no contact and no sealed value', async () => {
    const [row] = await search.search('ana@example.com');
    expect(Object.keys(row!).sort()).toEqual(
      [
        'id',
        'integration',
        'caller',
        'state',
        'step',
        'parkedReason',
        'externalRef',
        'lastResultCode',
        'createdAt',
        'updatedAt',
        'nextAttemptAt',
      ].sort(),
    );
  });
});

describe('a list', () => {
  it('filters by several states, and continues on the next page', async () => {
    const filter = { states: ['otp_sent', 'completed'] as const, limit: 1 };
    const first = await search.list(filter);
    expect(first).toMatchObject({ rows: [{ id: other, state: 'completed' }], next: other });
    expect(await search.list(filter, first.next!)).toMatchObject({ rows: [{ id }], next: null });
    expect((await search.list({ states: ['failed', 'otp_sent'], limit: 9 })).rows).toMatchObject([{ id }]);
  });

  it('can be limited to ended onboardings with an unresolved attempt', async () => {
    const unresolved = [{ step: 'create-authenticators', attempt: 3, at: '2026-11-28T10:00:00.000Z' }];
    const ended = await anOnboarding(views.get(DataSource), { state: 'expired', unresolved });
    expect((await search.list({ endedUnresolved: true, limit: 9 })).rows).toMatchObject([{ id: ended }]);
  });

  it('refuses a contact that is neither an e-mail address nor a phone number', async () => {
    await expect(search.list({ contact: 'ana', limit: 9 })).rejects.toMatchObject({
      code: 'validation_failed',
    });
  });
});
