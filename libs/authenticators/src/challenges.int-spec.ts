import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aCaller, anOnboarding, inMs, until } from '#libs/testing';
import { claimed, openAuthenticators, type Authenticators } from './fixtures/open-authenticators.js';

const OUTSTANDING = 3;

let authenticators: Authenticators;
beforeAll(async () => {
  authenticators = await openAuthenticators({
    CHALLENGES_OUTSTANDING: String(OUTSTANDING),
    CHALLENGE_LIFE_MS: '300000',
  });
});
afterAll(() => authenticators.module.close());

const insert = () =>
  anOnboarding(authenticators.dataSource, { state: 'otp_verified', session_ends_at: inMs(600_000) });
const issue = async (id: string) =>
  (await authenticators.challenges.issue(id, { caller: aCaller() }))!.challenge;
const outstanding = async (id: string) => [
  ...(await authenticators.store.findForPasskeys(id))!.outstanding.keys(),
];
const expire = (challenge: string) =>
  authenticators.dataSource.query(
    `UPDATE webauthn_challenges SET expires_at = clock_timestamp() - interval '1 ms' WHERE challenge = $1`,
    [challenge],
  );

/** @returns whether the submission was accepted */
async function use(id: string, challenges: string[], credentials = [randomUUID()]): Promise<boolean> {
  if (!(await claimed(authenticators, id, credentials, { challenges }))) return false;
  await goBack(id);
  return true;
}
const goBack = (id: string) =>
  authenticators.dataSource.query(`UPDATE onboardings SET state = 'otp_verified' WHERE id = $1`, [id]);

describe('a passkey challenge', () => {
  it('consists of 32 new random bytes and belongs to one onboarding', async () => {
    const [one, other] = [await insert(), await insert()];
    const challenges = [await issue(one), await issue(one)];
    for (const challenge of challenges) expect(Buffer.from(challenge, 'base64url')).toHaveLength(32);
    expect((await outstanding(one)).sort()).toEqual([...challenges].sort());
    expect(await outstanding(other)).toEqual([]);
    expect(await use(other, [challenges[0]!])).toBe(false);
  });

  it('replaces the oldest challenge of the onboarding if there are too many', async () => {
    const id = await insert();
    const challenges = [];
    for (let n = 0; n < OUTSTANDING + 2; n++) challenges.push(await issue(id));
    expect((await outstanding(id)).sort()).toEqual(challenges.slice(-OUTSTANDING).sort());
  });

  it('is not valid after its expiry, and is deleted when another challenge is issued', async () => {
    const id = await insert();
    const old = await issue(id);
    await expire(old);
    expect(await outstanding(id)).toEqual([]);
    expect(await use(id, [old])).toBe(false);
    const fresh = await issue(id);
    const rows = await authenticators.dataSource.query(
      'SELECT challenge FROM webauthn_challenges WHERE onboarding_id = $1',
      [id],
    );
    expect(rows).toEqual([{ challenge: fresh }]);
  });

  it('can be used only once', async () => {
    const id = await insert();
    const [used, kept] = [await issue(id), await issue(id)];
    expect(await use(id, [used])).toBe(true);
    expect(await use(id, [used])).toBe(false);
    expect(await outstanding(id)).toEqual([kept]);
  });

  it('can be used by only one of many simultaneous submissions', async () => {
    const id = await insert();
    const challenge = await issue(id);
    const used = await Promise.all(Array.from({ length: 10 }, () => use(id, [challenge])));
    expect(used.filter(Boolean)).toHaveLength(1);
  });

  it('has its own count of failed submissions', async () => {
    const [id, other] = [await insert(), await insert()];
    const [one, two] = [await issue(id), await issue(id)];
    await authenticators.challenges.countFailure(id, [one]);
    await authenticators.challenges.countFailure(id, [one, two]);
    await authenticators.challenges.countFailure(other, [one, two]);
    const { outstanding } = (await authenticators.store.findForPasskeys(id))!;
    expect(Object.fromEntries(outstanding)).toEqual({ [one]: 2, [two]: 1 });
    for (let n = 0; n < 5; n++) await authenticators.challenges.countFailure(id, [one]);
    expect((await authenticators.store.findForPasskeys(id))!.outstanding.get(one)).toBe(5);
  });

  it('is exhausted by five submissions that have failed or are still being checked', () => {
    const { challenges } = authenticators;
    expect([challenges.isExhausted(4, 0), challenges.isExhausted(0, 4)]).toEqual([false, false]);
    expect([challenges.isExhausted(5, 0), challenges.isExhausted(2, 3)]).toEqual([true, true]);
  });

  it('is used up only together with all other challenges of its submission', async () => {
    const id = await insert();
    const [one, two] = [await issue(id), await issue(id)];
    expect(await use(id, [one, 'never-issued'])).toBe(false);
    await expire(two);
    expect(await use(id, [one, two])).toBe(false);
    expect(await outstanding(id)).toEqual([one]);
  });

  it('remains valid if its submission contains a registered passkey', async () => {
    const id = await insert();
    const challenge = await issue(id);
    const taken = randomUUID();
    await authenticators.dataSource.query(
      `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id)
       VALUES ('byzantine', 'another', $1, $2)`,
      [taken, id],
    );
    expect(await use(id, [challenge], [taken])).toBe(false);
    expect(await outstanding(id)).toEqual([challenge]);
  });
});

describe('submissions of an onboarding', () => {
  it('are counted while they are checked, also if one of them fails', async () => {
    const { challenges } = authenticators;
    const id = randomUUID();
    const ends: (() => void)[] = [];
    const begin = () =>
      new Promise<number>((resolve) => {
        const check = (ahead: number) => {
          resolve(ahead);
          return new Promise<void>((_, reject) => ends.push(() => reject(new Error('failed'))));
        };
        challenges.whileChecking(id, check).catch(() => undefined);
      });
    expect([await begin(), await begin(), await begin()]).toEqual([0, 1, 2]);
    expect(await challenges.whileChecking(randomUUID(), async (ahead) => ahead)).toBe(0);
    for (const end of ends) end();
    await until('all have ended', async () => (await challenges.whileChecking(id, async (n) => n)) === 0);
  });
});

describe('the data for a creation of passkeys', () => {
  it('is null if there is no onboarding with the id', async () => {
    const id = await insert();
    expect((await authenticators.store.findForPasskeys(id))!.row).toMatchObject({
      id,
      state: 'otp_verified',
      now: expect.any(Date),
    });
    expect(await authenticators.store.findForPasskeys(randomUUID())).toBeNull();
  });
});

describe('expired challenges', () => {
  it('are deleted, and other challenges stay', async () => {
    const id = await insert();
    const [over, live] = [await issue(id), await issue(id)];
    await expire(over);
    expect(await authenticators.challenges.forget()).toBeGreaterThan(0);
    const rows = await authenticators.dataSource.query(
      'SELECT challenge FROM webauthn_challenges WHERE onboarding_id = $1',
      [id],
    );
    expect(rows).toEqual([{ challenge: live }]);
  });
});

describe('an erased onboarding', () => {
  it('gets no more challenges', async () => {
    const id = await insert();
    await authenticators.dataSource.query(
      `UPDATE onboardings SET state = 'cancelled', subject = '{}', subject_key = 'erased:' || id,
           otp_handle = NULL,
         erased_at = clock_timestamp() WHERE id = $1`,
      [id],
    );
    expect(await authenticators.challenges.issue(id, { caller: aCaller() })).toBeNull();
    expect(await outstanding(id)).toEqual([]);
  });
});
