import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { PreparedStatements } from '#libs/database';
import { anOnboarding, inMs } from '#libs/testing';
import { claimed, openAuthenticators, type Authenticators } from './fixtures/open-authenticators.js';

let authenticators: Authenticators;
beforeAll(async () => {
  authenticators = await openAuthenticators();
});
afterAll(() => authenticators.module.close());
/** A credential id is unique across subjects, so each test starts with an empty table. */
beforeEach(() => authenticators.dataSource.query('DELETE FROM credentials'));

const insert = (subjectKey: string, integration = 'byzantine') =>
  anOnboarding(authenticators.dataSource, {
    subject_key: subjectKey,
    integration,
    state: 'otp_verified',
    session_ends_at: inMs(600_000),
  });

const registered = async (subjectKey: string) =>
  (
    await authenticators.dataSource.query<{ id: string }[]>(
      `SELECT credential_id AS id FROM credentials
      WHERE integration = 'byzantine' AND subject_key = $1 ORDER BY credential_id`,
      [subjectKey],
    )
  ).map(({ id }) => id);
/**
 * Submits passkeys for a row whose earlier submission has ended.
 * @returns whether the submission was accepted
 */
async function submit(id: string, ids: string[], atMost = 10): Promise<boolean> {
  const { dataSource } = authenticators;
  const challenge = randomBytes(32).toString('base64url');
  await dataSource.query(`UPDATE onboardings SET state = 'otp_verified' WHERE id = $1`, [id]);
  await dataSource.query(
    `INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
    VALUES ($1, $2, now() + interval '1 minute')`,
    [id, challenge],
  );
  return claimed(authenticators, id, ids, { challenges: [challenge], maxAuthenticators: atMost });
}

/** Ends the attempt with success, which registers the credentials. */
async function register(id: string, ids: string[]): Promise<boolean> {
  const seen = (await authenticators.store.find(id))!;
  const registered = ids.map((credentialId) => ({
    id: null,
    name: 'x',
    credentialId,
    aaguid: '0',
    transports: [],
    createdAt: 'now',
  }));
  const patch = { state: 'completed', step: null, authenticators: registered } as const;
  const moved = { patch, events: [], refund: null };
  return (await authenticators.store.settle('create-authenticators', seen, moved, seen.now)) !== null;
}
/** Ends the attempt with the provider's refusal. */
const refuse = (id: string) => register(id, []);

describe('a credential id', () => {
  it('is registered when its submission succeeds', async () => {
    const key = randomUUID();
    const id = await insert(key);
    expect(await submit(id, ['a', 'b'])).toBe(true);
    expect(await registered(key)).toEqual([]);
    await register(id, ['a', 'b']);
    expect(await registered(key)).toEqual(['a', 'b']);
  });

  it('counts towards the limit of the subject, together with earlier credential ids', async () => {
    const key = randomUUID();
    const [first, second] = [await insert(key), await insert(key)];
    expect(await submit(first, ['a', 'b', 'c'], 2)).toBe(false);
    expect(await submit(first, ['a', 'b'], 2)).toBe(true);
    expect(await submit(second, ['c', 'd'], 2)).toBe(true); // nothing is registered yet
    await register(first, ['a', 'b']);
    expect(await submit(second, ['c'], 2)).toBe(false);
    expect(await submit(second, ['c', 'd'], 3)).toBe(false);
    expect(await submit(second, ['c'], 3)).toBe(true);
    expect(await submit(await insert(key, 'other'), ['c', 'd'], 2)).toBe(true);
  });

  it('that is already registered makes its whole submission fail', async () => {
    const key = randomUUID();
    const [first, second] = [await insert(key), await insert(key)];
    await submit(first, ['a']);
    await register(first, ['a']);
    expect(await submit(second, ['a', 'b'])).toBe(false);
    const rows = await authenticators.dataSource.query(
      'SELECT credential_id FROM credentials WHERE subject_key = $1',
      [key],
    );
    expect(rows).toEqual([{ credential_id: 'a' }]);
    expect(await submit(second, ['b'])).toBe(true);
  });

  it('of a submission that has not ended does not block other submissions', async () => {
    const key = randomUUID();
    const [lost, next] = [await insert(key), await insert(key)];
    await submit(lost, ['a']);
    expect(await submit(next, ['a'])).toBe(true);
    await register(next, ['a']);
    expect(await registered(key)).toEqual(['a']);
  });

  it('that is registered is refused from other subjects (WebAuthn Level 3 §7.1, step 27)', async () => {
    const [key, otherKey] = [randomUUID(), randomUUID()];
    const [id, fresh] = [randomUUID(), randomUUID()];
    const first = await insert(key);
    await submit(first, [id]);
    await register(first, [id]);
    expect(await submit(await insert(otherKey), [fresh, id])).toBe(false);
    expect(await submit(await insert(key, 'other'), [id])).toBe(true);
    expect(await registered(otherKey)).toEqual([]);
    const taken = (integration: string) => authenticators.credentials.taken(integration, [fresh, id]);
    expect([...(await taken('byzantine'))]).toEqual([id]);
    expect([...(await taken('other'))]).toEqual([]);
  });

  it('is registered for two subjects at the same time if the provider accepts both', async () => {
    const [key, otherKey] = [randomUUID(), randomUUID()];
    const id = randomUUID();
    const [first, second] = [await insert(key), await insert(otherKey)];
    expect(await Promise.all([submit(first, [id]), submit(second, [id])])).toEqual([true, true]);
    expect(await Promise.all([register(first, [id]), register(second, [id])])).toEqual([true, true]);
    expect([await registered(key), await registered(otherKey)]).toEqual([[id], [id]]);
    expect(await submit(await insert(randomUUID()), [id])).toBe(false);
  });

  it('from two subjects at the same time is registered for the one that the provider accepts', async () => {
    const [key, otherKey] = [randomUUID(), randomUUID()];
    const id = randomUUID();
    const [first, second] = [await insert(key), await insert(otherKey)];
    await Promise.all([submit(first, [id]), submit(second, [id])]);
    await Promise.all([register(first, [id]), refuse(second)]);
    expect([await registered(key), await registered(otherKey)]).toEqual([[id], []]);
  });

  it('of a submission without an answer is not registered when a later submission succeeds', async () => {
    const key = randomUUID();
    const id = await insert(key);
    await submit(id, ['lost']);
    await submit(id, ['a']);
    await register(id, ['a']);
    expect(await registered(key)).toEqual(['a']);
  });

  it('is not registered after a refusal, and earlier ids stay registered', async () => {
    const key = randomUUID();
    const [first, second] = [await insert(key), await insert(key)];
    await submit(first, ['a']);
    await register(first, ['a']);
    await submit(second, ['b']);
    await refuse(second);
    expect(await registered(key)).toEqual(['a']);
  });

  it('is registered once for a subject, even if many submissions contain it at the same time', async () => {
    const key = randomUUID();
    const ids = await Promise.all(Array.from({ length: 6 }, () => insert(key)));
    const outcomes = await Promise.all(
      ids.map(async (id) => (await submit(id, ['a'])) && (await register(id, ['a']))),
    );
    expect(outcomes.some(Boolean)).toBe(true);
    expect(await registered(key)).toEqual(['a']);
  });

  it('is found by an index among many credential ids', async () => {
    const { dataSource, module, credentials } = authenticators;
    const [key, id] = [randomUUID(), randomUUID()];
    const onboarding = await insert(key);
    await dataSource.query(
      `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id)
       SELECT 'byzantine', 'subject-' || n, gen_random_uuid(), $1 FROM generate_series(1, 6000) n`,
      [onboarding],
    );
    await dataSource.query('ANALYZE credentials');
    const run = jest.spyOn(module.get(PreparedStatements), 'run');
    await submit(onboarding, [id]);
    await credentials.taken('byzantine', [id]);
    const sent = run.mock.calls
      .map(([{ text }, values]): [string, unknown[]] => [text, values])
      .filter(([text]) => text.includes('credentials'));
    run.mockRestore();
    expect(sent).toHaveLength(2);
    for (const [text, values] of sent) {
      const plan = JSON.stringify(await dataSource.query(`EXPLAIN (FORMAT JSON) ${text}`, values));
      expect(plan).toContain('"Index Name":"credentials_by_id"');
    }
  });
});
