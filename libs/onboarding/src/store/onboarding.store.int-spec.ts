import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { uuidV7 } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { aClaim, anOnboarding, inMs } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import type { NewEvent } from '../flow/events.js';
import { endOf, retryLater, succeeded } from '../flow/attempt-end.js';
import { erase } from '../flow/erase.js';
import { keepLateAnswer, move, retryNow, type Moved } from '../flow/move.js';
import type { Row, RowInStep } from '../flow/row.js';
import { stepOfState } from '../flow/table.js';
import type { AnswerToStore } from './answering.js';
import type { Given, KeyToTake, OnboardingStore, Started } from './onboarding.store.js';

let onboardings: Onboardings;
let store: OnboardingStore;
let config: Config;
beforeAll(async () => {
  onboardings = await openOnboardings([], { DATABASE_POOL_SIZE: '10' });
  store = onboardings.store;
  config = onboardings.module.get(CONFIG);
});
afterAll(() => onboardings.close());

const sql = <T>(text: string, values: unknown[]) => onboardings.dataSource.query<T[]>(text, values);
const seqs = async (id: string) => (await store.events(id, 0, 1000)).map((event) => event.seq);
const load = (id: string) => onboardings.load(id);

type Columns = Record<string, unknown>;
const inserted = async (columns: Columns = {}) => load(await anOnboarding(onboardings.dataSource, columns));

const VERIFYING: Columns = {
  state: 'otp_submitted',
  step: 'verify-otp',
  attempt: 2,
  submission: 2,
  sealed_otp_code: Buffer.from('code'),
  unresolved: [{ step: 'verify-otp', attempt: 2, at: 'then' }],
};
const IN_FLIGHT: Columns = { ...VERIFYING, lease_until: inMs(30_000) };
const WAITING: Columns = { ...VERIFYING, next_attempt_at: inMs(-10) };
const SENDING: Columns = { state: 'otp_requested', step: 'init-otp', attempt: 1, submission: 1 };
const VERIFIED: Columns = {
  state: 'otp_verified',
  sealed_grant: Buffer.from('g'),
  session_ends_at: inMs(600_000),
};

const STEPS_IN_FLIGHT = [
  ['init-otp', { ...SENDING, lease_until: inMs(30_000) }],
  ['verify-otp', IN_FLIGHT],
  [
    'create-authenticators',
    {
      ...VERIFIED,
      ...IN_FLIGHT,
      state: 'authenticators_submitted',
      step: 'create-authenticators',
      sealed_otp_code: null,
      sealed_authenticators: Buffer.from('passkeys'),
    },
  ],
] as const;

const given = (id: string, more: Partial<Given> = {}): Given => ({
  id,
  by: { caller: null, integrations: null },
  versions: undefined,
  key: undefined,
  fingerprint: 'print',
  claim: aClaim(),
  ...more,
});
const aKey = (key: string = randomUUID()): KeyToTake => ({
  caller: 'default',
  route: 'POST /r',
  key,
  fingerprint: 'f',
  id: randomUUID(),
  lockMs: 60_000,
});

/** `sealed` reads what the database has stored. */
async function anAnswer() {
  const key = randomUUID();
  const takenBy = randomUUID();
  await sql(
    `INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by) VALUES ('c', 'r', $1, 'f', $2)`,
    [key, takenBy],
  );
  const toStore = { keyCaller: 'c', route: 'r', key, takenBy, sealedAnswer: Buffer.from('answer') };
  const answering = { begin: jest.fn<(row: Row) => AnswerToStore>(() => toStore), stored: jest.fn() };
  const sealed = async () => {
    const [row] = await sql<{ sealed: Buffer | null }>(
      'SELECT sealed_answer AS sealed FROM idempotency_keys WHERE key = $1',
      [key],
    );
    return row!.sealed;
  };
  return { answering, sealed };
}

const cancelled = (row: Row): Moved => move(row, 'cancelled', {}, { now: row.now, settings: config });

const verified = (row: Row): Moved => {
  const at = { now: row.now, settings: config };
  const ended = endOf(row, {
    class: 'ok',
    effect: 'counted',
    counts: { unavailableCount: 0, noAnswerCount: 0 },
    reveals: 'all',
    upstreamStatus: 200,
    durationMs: 1,
  });
  const facts = {
    sealedGrant: Buffer.from('grant'),
    deviceSigning: null,
    sessionExpiresAt: new Date(row.now.getTime() + 600_000),
  };
  return move(row, 'otp_verified', facts, at, succeeded(ended, at));
};

const resent: NewEvent = { type: 'otp_resend_asked', actor: 'caller' };
const resend = ({ id }: Pick<Row, 'id'>, more: Partial<Given> = {}) =>
  store.claimSend(given(id, more), { states: ['otp_sent'], events: [resent] });
const verify = ({ id }: Pick<Row, 'id'>, more: Partial<Given> = {}, taking: string[] | null = null) =>
  store.claimVerify(given(id, more), Buffer.from('code'), taking);

const PASSKEY = { name: 'p', credentialId: 'c', aaguid: '0', transports: [] };
const passkey = () => ({ ...PASSKEY, credentialId: randomUUID() });
async function submit(
  { id }: Pick<Row, 'id'>,
  {
    passkeys = [passkey()],
    challenges = ['challenge'],
    maxAuthenticators = 10,
    ...more
  }: Partial<Given> & {
    passkeys?: (typeof PASSKEY)[];
    challenges?: string[];
    maxAuthenticators?: number;
  } = {},
) {
  return store.claimAuthenticators(given(id, more), {
    sealedAuthenticators: Buffer.from('passkeys'),
    pendingAuthenticators: passkeys,
    challenges,
    maxAuthenticators,
  });
}
const issue = (id: string, challenge = 'challenge', lifeMs = 60_000) =>
  sql(
    `INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
     VALUES ($1, $2, clock_timestamp() + $3::float8 * interval '1 millisecond')`,
    [id, challenge, lifeMs],
  );

function started(subjectKey: string = randomUUID(), more: Partial<Started> = {}): Started {
  return {
    id: uuidV7(Date.now()),
    caller: 'default',
    integration: 'byzantine',
    provider: 'byzantine',
    subject: { accountId: 'a', userId: 'u' },
    subjectKey,
    sealedContact: null,
    sealedDataKey: null,
    dataKeyId: null,
    otpChoice: {},
    externalRef: null,
    metadata: { plan: 'pro' },
    sealedRequests: null,
    fingerprint: 'print',
    ...more,
  };
}

/** Reads all data that a statement may change, also in other tables. */
async function standing({ id, subjectKey }: Pick<Row, 'id' | 'subjectKey'>) {
  const [beside] = await sql<Record<string, unknown>>(
    `SELECT to_jsonb(o) AS row,
      (SELECT count(*)::int FROM onboarding_events e WHERE e.onboarding_id = o.id) AS events,
      (SELECT to_jsonb(b) FROM otp_budgets b
        WHERE b.integration = o.integration AND b.subject_key = $2) AS budget,
      (SELECT count(*)::int FROM credentials k WHERE k.onboarding_id = o.id) AS credentials,
      (SELECT count(*)::int FROM webauthn_challenges c WHERE c.onboarding_id = o.id) AS challenges,
      (SELECT count(*)::int FROM idempotency_keys k WHERE k.onboarding_id = o.id) AS keys
    FROM onboardings o WHERE o.id = $1`,
    [id, subjectKey],
  );
  return beside;
}

const budgetOf = async ({ subjectKey }: Pick<Row, 'subjectKey'>) =>
  (
    await sql<{ sends: number; wrong: number; live: string | null }>(
      `SELECT cardinality(sends) AS sends, cardinality(wrong_codes) AS wrong, live_id AS live
       FROM otp_budgets WHERE subject_key = $1`,
      [subjectKey],
    )
  )[0];

const useUp = ({ subjectKey }: Pick<Row, 'subjectKey'>, column: 'sends' | 'wrong_codes', count: number) =>
  sql(
    `UPDATE otp_budgets SET ${column} = array_fill(clock_timestamp(), ARRAY[$2::int]) WHERE subject_key = $1`,
    [subjectKey, count],
  );

describe('a write that depends on the version of the row', () => {
  type Write = (seen: Row) => Promise<unknown>;
  const WRITES: [string, Columns, Write][] = [
    ['a settle', IN_FLIGHT, (seen) => store.settle('verify-otp', seen, verified(seen), seen.now)],
    ['a command', {}, (seen) => store.command(seen, cancelled(seen))],
    ['a late answer', {}, (seen) => store.keepAnswer(seen, keepLateAnswer(seen, {} as never))],
    ['an erasure', {}, (seen) => store.erase(seen, erase(seen, 'caller'), null)],
    ['a delayed try', WAITING, (seen) => store.putOff(seen, 1_000)],
  ];
  const MEANWHILE = ['attempt = attempt + 1', 'version = version + 1', 'last_seq = last_seq + 1'];

  it.each(
    WRITES.flatMap(([name, columns, write]) => MEANWHILE.map((set) => [name, set, columns, write] as const)),
  )('writes nothing if the row has changed: %s after %s', async (_, meanwhile, columns, write) => {
    const seen = await inserted(columns);
    await sql(`UPDATE onboardings SET ${meanwhile} WHERE id = $1`, [seen.id]);
    const before = await standing(seen);
    expect([null, false]).toContain(await write(seen));
    expect(await standing(seen)).toEqual(before);
  });

  it.each(WRITES)('succeeds if the row has not changed: %s', async (_, columns, write) => {
    const seen = await inserted(columns);
    const before = await standing(seen);
    expect([null, false]).not.toContain(await write(seen));
    expect(await standing(seen)).not.toEqual(before);
  });

  it('succeeds for only one of a hundred writers with the same version', async () => {
    const seen = await inserted();
    const results = await Promise.all(
      Array.from({ length: 100 }, () => store.command(seen, cancelled(seen))),
    );
    expect(results.filter((row) => row !== null)).toHaveLength(1);
    expect(await seqs(seen.id)).toEqual([1]);
    expect((await load(seen.id)).version).toBe(2);
  });

  it('writes nothing for a command if a deadline of the row has passed', async () => {
    const seen = await inserted();
    const over = { ...seen, otpExpiresAt: new Date(seen.now.getTime() - 1) } as Row;
    expect(await store.command(over, cancelled(seen))).toBeNull();
    expect(await store.erase(over, erase(seen, 'caller'), null)).toBeNull();
    expect(await load(seen.id)).toMatchObject({ state: 'otp_sent', lastSeq: 0 });
  });

  it('returns the written row, with the time of the database', async () => {
    const seen = await inserted(IN_FLIGHT);
    const written = (await store.settle('verify-otp', seen, verified(seen), seen.now))!;
    expect(written).toMatchObject({
      state: 'otp_verified',
      version: 2,
      lastSeq: 2,
      sealedGrant: Buffer.from('grant'),
    });
    expect(written.now.getTime()).toBeGreaterThanOrEqual(seen.now.getTime());
    expect({ ...written, now: null }).toEqual({ ...(await load(seen.id)), now: null });
  });

  it.each(STEPS_IN_FLIGHT)(
    'returns the row exactly as it is stored, after the end of %s',
    async (step, columns) => {
      const seen: Row = { ...(await inserted(columns)), paused: true };
      const ended = endOf(seen, {
        class: 'not_sent',
        effect: 'none',
        counts: { unavailableCount: 1, noAnswerCount: 0 },
        reveals: 'itself',
        upstreamStatus: null,
        durationMs: 1,
      });
      const { patch, ...waiting } = retryLater(seen, ended, 1_000, { now: seen.now, settings: config });
      const { leaseUntil: _, ...without } = patch;
      const written = await store.settle(step, seen, { ...waiting, patch: without }, seen.now);
      expect({ ...written, now: null }).toEqual({ ...(await load(seen.id)), now: null });
    },
  );

  it.each(STEPS_IN_FLIGHT)(
    'stores an answer with the end of %s, if the row is as the answer shows it',
    async (step, columns) => {
      const seen = await inserted(columns);
      const { answering, sealed } = await anAnswer();
      const moved = { patch: {}, events: [], refund: null };
      const now = new Date(seen.now.getTime() + 40);
      const written = await store.settle(step, seen, moved, now, answering);
      expect(written).toMatchObject({ updatedAt: now });
      expect((await load(seen.id)).updatedAt).toEqual(now);
      expect(answering.begin).toHaveBeenCalledWith(
        expect.objectContaining({ updatedAt: now, otpResendAt: written!.otpResendAt }),
      );
      expect(answering.stored).toHaveBeenCalledTimes(1);
      expect(await sealed()).toEqual(Buffer.from('answer'));
    },
  );

  it('stores no answer if the budget delays the next code', async () => {
    const seen = await inserted({ ...SENDING, lease_until: inMs(30_000) });
    await sql(
      `INSERT INTO otp_budgets (integration, subject_key, sends)
      VALUES ($1, $2, array_fill(clock_timestamp(), ARRAY[$3::int]))
      ON CONFLICT (integration, subject_key) DO UPDATE SET sends = excluded.sends`,
      [seen.integration, seen.subjectKey, config.OTP_SENDS_PER_WINDOW],
    );
    const { answering, sealed } = await anAnswer();
    const patch = {
      state: 'otp_sent',
      step: null,
      otpHandle: 'h',
      otpExpiresAt: new Date(Date.now() + 60_000),
    } as const;
    const moved = { patch, events: [], refund: null };
    const written = await store.settle('init-otp', seen, moved, seen.now, answering);
    expect(written!.otpResendAt!.getTime()).toBeGreaterThan(seen.otpResendAt!.getTime());
    expect(answering.stored).not.toHaveBeenCalled();
    expect(await sealed()).toBeNull();
  });

  it('increases the version for a change of state, not for each write', async () => {
    const seen = await inserted({ ...VERIFYING, next_attempt_at: inMs(60_000) });
    const again = (await store.command(seen, retryNow(seen, stepOfState(seen.state)!, { reason: 'r' })))!;
    expect(again).toMatchObject({ version: 1, lastSeq: 1 });
    expect(await store.command(again, cancelled(again))).toMatchObject({ version: 2, lastSeq: 3 });
  });

  it('numbers events without gaps under concurrent writes', async () => {
    const kept: NewEvent = { type: 'unparked', actor: 'caller' };
    const write = async (id: string, events: NewEvent[]) => {
      const moved = { patch: {}, events, refund: null };
      while ((await store.command(await load(id), moved)) === null);
    };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 8 }), async (sizes) => {
        const { id } = await inserted();
        await Promise.all(
          sizes.map((size) =>
            write(
              id,
              Array.from({ length: size }, () => kept),
            ),
          ),
        );
        const total = sizes.reduce((sum, size) => sum + size, 0);
        expect(await seqs(id)).toEqual(Array.from({ length: total }, (_, index) => index + 1));
        expect((await load(id)).lastSeq).toBe(total);
      }),
      { numRuns: 10 },
    );
  });
});

const ready = async (columns: Columns) => {
  const row = await inserted(columns);
  await issue(row.id);
  return row;
};

describe('a claim (the first write of an attempt)', () => {
  const CLAIMS: [string, Columns, typeof resend][] = [
    ['of a resend', { otp_resend_at: inMs(-1) }, resend],
    ['of a verification', {}, verify],
    ['of passkeys', VERIFIED, (row, more) => submit(row, more)],
  ];
  it.each(CLAIMS)(
    '%s succeeds only once if many run at the same time, and counts at most once in the budget',
    async (_, columns, claim) => {
      const row = await ready(columns);
      const claims = await Promise.all(Array.from({ length: 30 }, () => claim(row)));
      expect(claims.filter((claimed) => claimed !== null)).toHaveLength(1);
      expect(await seqs(row.id)).toEqual([1, 2]);
      const { sends, wrong } = (await budgetOf(row))!;
      expect(sends + wrong).toBe(claim === resend || claim === verify ? 1 : 0);
    },
  );

  const REFUSED: [string, Columns, Partial<Given>][] = [
    ['another caller’s', {}, { by: { caller: 'other', integrations: null } }],
    ['of another integration', {}, { by: { caller: null, integrations: ['other'] } }],
    ['of another version', {}, { versions: [7, 8] }],
    ['in another state', { state: 'cancelled' }, {}],
    ['past its time', { idle_ends_at: inMs(-1) }, {}],
    ['too near to its end for a call', { life_ends_at: inMs(100) }, {}],
  ];
  it.each(
    CLAIMS.flatMap(([name, columns, claim]) =>
      REFUSED.map((each) => [name, ...each, columns, claim] as const),
    ),
  )(
    '%s is refused on a row that is %s, and writes nothing',
    async (_name, _why, more, terms, columns, claim) => {
      const row = await ready({ ...columns, ...more });
      const before = await standing(row);
      expect(await claim(row, { ...terms, key: aKey() })).toBeNull();
      expect(await standing(row)).toEqual(before);
    },
  );

  it.each(CLAIMS)(
    '%s stores an idempotency key, and writes nothing if the key exists',
    async (_, columns, claim) => {
      const [one, other] = [await ready(columns), await ready(columns)];
      const key = aKey();
      expect(await claim(one, { key })).not.toBeNull();
      expect(await standing(one)).toMatchObject({ keys: 1 });
      const before = await standing(other);
      expect(await claim(other, { key: { ...key, id: randomUUID() } })).toBeNull();
      expect(await standing(other)).toEqual(before);
    },
  );

  it('of a resend is refused during the cooldown', async () => {
    const row = await inserted();
    expect(await resend(row)).toBeNull();
  });

  it.each([
    ['the window’s sends', 'sends', () => config.OTP_SENDS_PER_WINDOW, resend],
    ['the day’s wrong codes', 'wrong_codes', () => config.OTP_WRONG_PER_DAY, resend],
    ['the day’s wrong codes', 'wrong_codes', () => config.OTP_WRONG_PER_DAY, verify],
  ] as const)(
    'is refused if %s are used up, and stores no idempotency key',
    async (_, column, limit, claim) => {
      const row = await inserted({ otp_resend_at: inMs(-1) });
      await useUp(row, column, limit());
      const before = await standing(row);
      expect(await claim(row, { key: aKey() })).toBeNull();
      expect(await standing(row)).toEqual(before);
    },
  );

  it('of a verification is refused if no try is left, or if the code has the wrong form', async () => {
    expect(await verify(await inserted({ otp_tries_left: 0 }))).toBeNull();
    const row = await inserted();
    expect(await verify(row, {}, ['other'])).toBeNull();
    expect(await verify(row, {}, ['byzantine'])).toMatchObject({ state: 'otp_submitted' });
  });
});

describe('the first write of an attempt to register passkeys', () => {
  it('uses up the challenges of the passkeys, and registers none', async () => {
    const row = await inserted(VERIFIED);
    await Promise.all([issue(row.id, 'one'), issue(row.id, 'two'), issue(row.id, 'three')]);
    const claimed = await submit(row, { passkeys: [passkey(), passkey()], challenges: ['one', 'two'] });
    expect(claimed).not.toBeNull();
    expect(await standing(row)).toMatchObject({ credentials: 0, challenges: 1 });
  });

  it.each<[string, string[], number]>([
    ['one challenge is unknown', ['challenge', 'unknown'], 60_000],
    ['its challenge has expired', ['challenge'], -1],
  ])('writes nothing if %s', async (_, challenges, lifeMs) => {
    const row = await inserted(VERIFIED);
    await issue(row.id, 'challenge', lifeMs);
    const before = await standing(row);
    expect(await submit(row, { challenges, key: aKey() })).toBeNull();
    expect(await standing(row)).toEqual(before);
  });

  it('writes nothing if a passkey is registered for any user, or the subject has too many', async () => {
    const taken = passkey();
    const [owner, row] = [await ready(VERIFIED), await ready(VERIFIED)];
    await sql(
      `INSERT INTO credentials (integration, subject_key, credential_id, onboarding_id)
       SELECT integration, subject_key, $2, id FROM onboardings WHERE id = $1`,
      [owner.id, taken.credentialId],
    );
    const before = await standing(row);
    expect(await submit(row, { passkeys: [taken], key: aKey() })).toBeNull();
    expect(await submit(row, { passkeys: [passkey(), passkey()], maxAuthenticators: 1 })).toBeNull();
    expect(await standing(row)).toEqual(before);
    expect(await submit(row, { passkeys: [passkey()], maxAuthenticators: 1 })).not.toBeNull();
  });

  it('may contain a passkey of another attempt that has not ended', async () => {
    const again = passkey();
    const [one, other] = [await ready(VERIFIED), await ready(VERIFIED)];
    await submit(one, { passkeys: [again] });
    expect(await submit(other, { passkeys: [again] })).not.toBeNull();
  });
});

describe('the first write of a retry', () => {
  it.each<[string, Columns]>([
    ['is not due yet', { next_attempt_at: inMs(60_000) }],
    ['is in flight', { lease_until: inMs(60_000), next_attempt_at: null }],
    ['is parked', { parked_reason: 'integration_missing' }],
    ['has no time for a call', { otp_expires_at: inMs(100) }],
  ])('is refused on a step that %s', async (_, columns) => {
    const row = (await inserted({ ...WAITING, ...columns })) as RowInStep;
    const before = await standing(row);
    expect(await store.retry(row, aClaim(), false)).toBeNull();
    expect(await standing(row)).toEqual(before);
  });

  it('succeeds for only one of many workers', async () => {
    const row = (await inserted(WAITING)) as RowInStep;
    const claims = await Promise.all(Array.from({ length: 20 }, () => store.retry(row, aClaim(), false)));
    expect(claims.filter((claimed) => claimed !== null)).toHaveLength(1);
    expect((await load(row.id)).attempt).toBe(3);
  });

  it('is refused if it counts in a budget that is used up', async () => {
    const row = (await inserted({ ...SENDING, next_attempt_at: inMs(-10) })) as RowInStep;
    await useUp(row, 'sends', config.OTP_SENDS_PER_WINDOW);
    const before = await standing(row);
    expect(await store.retry(row, aClaim(), true)).toBeNull();
    expect(await standing(row)).toEqual(before);
    expect(await store.retry(row, aClaim(), false)).toMatchObject({ attempt: 2 });
  });
});

describe('the second write of an attempt (the settle)', () => {
  it('gives back the try that the first write counted, but only if the row has not changed', async () => {
    const claimed = (await verify(await inserted()))!;
    expect(await budgetOf(claimed)).toMatchObject({ wrong: 1 });
    const stale = { ...claimed, lastSeq: 0 } as Row;
    expect(await store.settle('verify-otp', stale, verified(claimed), claimed.now)).toBeNull();
    expect(await budgetOf(claimed)).toMatchObject({ wrong: 1 });
    await store.settle('verify-otp', claimed, verified(claimed), claimed.now);
    expect(await budgetOf(claimed)).toMatchObject({ wrong: 0 });
  });

  it('leaves no tries for a code if the subject has used up its wrong codes of the day', async () => {
    const claimed = (await verify(await inserted()))!;
    await useUp(claimed, 'wrong_codes', config.OTP_WRONG_PER_DAY);
    const wrong: Moved = {
      ...move(
        claimed,
        'otp_rejected',
        { result: { code: 'otp_invalid', detail: 'd' }, isWrong: true },
        { now: claimed.now, settings: config },
      ),
    };
    expect(await store.settle('verify-otp', claimed, wrong, claimed.now)).toMatchObject({
      state: 'otp_sent',
      otpTriesLeft: 0,
    });
  });

  it('registers the passkeys that the row then has, each only once', async () => {
    const row = await inserted(VERIFIED);
    await Promise.all([issue(row.id, 'one'), issue(row.id, 'two')]);
    const [one, two] = [passkey(), passkey()];
    const submitted = (await submit(row, { passkeys: [one, two], challenges: ['one', 'two'] }))!;
    const facts = { authenticatorIds: null };
    const at = { now: submitted.now, settings: config };
    const moved = move(submitted, 'authenticators_created', facts, at);
    const completed = (await store.settle('create-authenticators', submitted, moved, submitted.now))!;
    const ids = () =>
      sql('SELECT credential_id AS "credentialId" FROM credentials WHERE onboarding_id = $1', [row.id]);
    const both = [one, two].map(({ credentialId }) => ({ credentialId }));
    expect(await ids()).toEqual(expect.arrayContaining(both));
    await store.command(completed, {
      patch: {},
      events: [{ type: 'secrets_wiped', actor: 'service' }],
      refund: null,
    });
    expect(await ids()).toHaveLength(2);
  });

  it('registers no passkey that the provider has refused', async () => {
    const row = await ready(VERIFIED);
    const submitted = (await submit(row))!;
    const result = { code: 'upstream_rejected', detail: 'd' } as const;
    const at = { now: submitted.now, settings: config };
    const moved = move(submitted, 'authenticators_rejected', { result }, at);
    await store.settle('create-authenticators', submitted, moved, submitted.now);
    expect(await standing(row)).toMatchObject({ credentials: 0 });
  });
});

describe('a stored provider request', () => {
  it('is written only by a process that has the lease of the attempt', async () => {
    const row = await inserted(IN_FLIGHT);
    expect(await store.keepRequests({ ...row, attempt: 1 } as Row, Buffer.from('no'))).toBe(false);
    const lapsed = await inserted({ ...VERIFYING, lease_until: inMs(-1) });
    expect(await store.keepRequests(lapsed, Buffer.from('no'))).toBe(false);
    expect(await store.keepRequests(row, Buffer.from('yes'))).toBe(true);
    expect((await load(row.id)).sealedRequests).toEqual(Buffer.from('yes'));
  });
});

describe('the start of an onboarding', () => {
  it('inserts the row with its first events', async () => {
    const created = (await store.start(started(), aClaim(), undefined, {}))!;
    expect(created).toMatchObject({
      state: 'otp_requested',
      version: 1,
      lastSeq: 2,
      metadata: { plan: 'pro' },
      unresolved: [],
    });
    expect(await onboardings.eventTypes(created.id)).toEqual(['created', 'attempt_started']);
    const { now: _, ...row } = await load(created.id);
    expect(created).toMatchObject(row);
    expect(await budgetOf(created)).toEqual({ sends: 1, wrong: 0, live: created.id });
  });

  it('succeeds only once if many run for the same subject at the same time', async () => {
    const key = randomUUID();
    const created = await Promise.all(
      Array.from({ length: 20 }, () => store.start(started(key), aClaim(), undefined, {})),
    );
    expect(created.filter((each) => each === null)).toHaveLength(19);
    const live = await store.findLatest('byzantine', key);
    expect(await seqs(live!.id)).toEqual([1, 2]);
    expect(await sql('SELECT 1 FROM onboardings WHERE subject_key = $1', [key])).toHaveLength(1);
    expect(await budgetOf({ subjectKey: key })).toMatchObject({ sends: 1 });
  });

  it('succeeds if the subject has a live onboarding only at another integration', async () => {
    const before = await inserted();
    await store.command(before, cancelled(before));
    await inserted({ subject_key: before.subjectKey, integration: 'other' });
    expect(await store.start(started(before.subjectKey), aClaim(), undefined, {})).toMatchObject({
      state: 'otp_requested',
    });
  });

  it('counts an onboarding past its deadline as live until its end is written', async () => {
    const due = await inserted({ idle_ends_at: inMs(-1) });
    expect(await store.start(started(due.subjectKey), aClaim(), undefined, {})).toBeNull();
  });

  it('supersedes no onboarding whose deadline has passed', async () => {
    const seen = await inserted();
    const row = { ...seen, otpExpiresAt: new Date(seen.now.getTime() - 1) } as Row;
    const superseded = { row, moved: cancelled(seen) };
    expect(await store.start(started(seen.subjectKey), aClaim(), undefined, { superseded })).toBeNull();
    expect(await load(seen.id)).toMatchObject({ state: 'otp_sent', lastSeq: 0 });
  });

  it('succeeds if the row of the subject’s last onboarding is gone, and its id is given', async () => {
    const gone = await inserted();
    await sql('DELETE FROM onboardings WHERE id = $1', [gone.id]);
    expect(await store.findLatest('byzantine', gone.subjectKey)).toEqual({ id: gone.id, row: null });
    expect(await store.start(started(gone.subjectKey), aClaim(), undefined, {})).toBeNull();
    expect(
      await store.start(started(gone.subjectKey), aClaim(), undefined, { goneId: gone.id }),
    ).not.toBeNull();
  });

  it('writes nothing if a budget is used up, and leaves the earlier onboarding as it is', async () => {
    const live = await inserted();
    await useUp(live, 'sends', config.OTP_SENDS_PER_WINDOW);
    const before = await standing(live);
    const superseded = { row: live, moved: cancelled(live) };
    const next = started(live.subjectKey);
    expect(await store.start(next, aClaim(), aKey(), { superseded })).toBeNull();
    expect(await standing(live)).toEqual(before);
    expect(await store.find(next.id)).toBeNull();
  });

  it('writes nothing if its idempotency key exists', async () => {
    const key = aKey();
    expect(await store.start(started(), aClaim(), key, {})).not.toBeNull();
    const again = started();
    expect(await store.start(again, aClaim(), { ...key, id: randomUUID() }, {})).toBeNull();
    expect(await store.find(again.id)).toBeNull();
    expect(await budgetOf(again)).toBeUndefined();
  });

  it('does not supersede an onboarding that has changed since it was read', async () => {
    const live = await inserted();
    await resendable(live.id);
    const seen = await load(live.id);
    await resend(seen);
    const superseded = { row: seen, moved: cancelled(seen) };
    expect(await store.start(started(seen.subjectKey), aClaim(), undefined, { superseded })).toBeNull();
    expect(await load(seen.id)).toMatchObject({ state: 'otp_requested' });
  });

  const resendable = (id: string) =>
    sql(`UPDATE onboardings SET otp_resend_at = clock_timestamp() WHERE id = $1`, [id]);
});

describe('the start of an onboarding that PostgreSQL did not answer', () => {
  const tooLate = () => ({ claimId: randomUUID(), claimBefore: new Date(Date.now() - 1_000) });

  it.each([
    ['a new subject', false],
    ['a subject with a budget', true],
  ])('leaves no trace in the database if PostgreSQL did not carry it out: %s', async (_, hasBudget) => {
    const subject = { integration: 'byzantine', subjectKey: randomUUID() };
    if (hasBudget) {
      await sql(`INSERT INTO otp_budgets (integration, subject_key, sends) VALUES ($1, $2, ARRAY[now()])`, [
        subject.integration,
        subject.subjectKey,
      ]);
    }
    const budgets = () =>
      sql('SELECT xmin, b.* FROM otp_budgets b WHERE b.subject_key = $1', [subject.subjectKey]);
    const before = await budgets();
    expect(await store.findClaimed(uuidV7(Date.now()), tooLate(), subject)).toBeNull();
    expect(await budgets()).toEqual(before);
  });
});

describe('an erasure', () => {
  it('leaves no personal data in any table', async () => {
    const row = await inserted({ ...VERIFIED, external_ref: 'ref', metadata: { name: 'Ana' } });
    await issue(row.id, 'one');
    await issue(row.id, 'two');
    const claimed = (await submit(row, { challenges: ['one'], key: aKey() }))!;
    await sql(`UPDATE idempotency_keys SET sealed_answer = 'a' WHERE onboarding_id = $1`, [row.id]);
    const erased = (await store.erase(claimed, erase(claimed, 'caller'), null))!;
    expect(erased).toMatchObject({ state: 'cancelled', subjectKey: `erased:${row.id}`, metadata: {} });
    expect(await standing(row)).toMatchObject({ credentials: 0, challenges: 0, keys: 1 });
    expect(await budgetOf(row)).toMatchObject({ live: null });
    expect(
      await sql(
        'SELECT fingerprint, taken_by, sealed_answer FROM idempotency_keys WHERE onboarding_id = $1',
        [row.id],
      ),
    ).toEqual([{ fingerprint: '', taken_by: null, sealed_answer: null }]);
    const events = await store.events(row.id, 0, 100);
    expect(events.map(({ data }) => data)).toEqual(events.map(() => ({})));
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
  });

  it('keeps a late answer from writing personal data', async () => {
    const row = await inserted();
    const erased = (await store.erase(row, erase(row, 'caller'), null))!;
    const late = keepLateAnswer(erased, { step: 'verify-otp', attempt: 1, class: 'ok' });
    expect(await store.keepAnswer(erased, late)).toMatchObject({ lastSeq: erased.lastSeq + 1 });
    expect((await store.events(row.id, erased.lastSeq, 1))[0]).toMatchObject({
      type: 'late_answer_kept',
      data: {},
    });
  });
});

describe('a read', () => {
  it('of the timeline returns the events after a given event, oldest first', async () => {
    const row = await inserted();
    const events = Array.from({ length: 5 }, () => resent);
    await store.command(row, { patch: {}, events, refund: null });
    expect((await store.events(row.id, 2, 2)).map(({ seq }) => seq)).toEqual([3, 4]);
  });

  it('for a creation of passkeys leaves out expired challenges', async () => {
    const row = await inserted(VERIFIED);
    await issue(row.id, 'good');
    await issue(row.id, 'over', -1);
    const found = (await store.findForPasskeys(row.id))!;
    expect([found.row.id, [...found.outstanding.keys()]]).toEqual([row.id, ['good']]);
    expect(await store.findForPasskeys(randomUUID())).toBeNull();
  });

  it('of a subject’s latest onboarding returns null if no onboarding was started', async () => {
    expect(await store.findLatest('byzantine', randomUUID())).toBeNull();
  });
});
