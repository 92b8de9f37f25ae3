import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import fc from 'fast-check';
import { DataSource } from 'typeorm';
import { PreparedStatements } from '#libs/database';
import { uuidV7, type ProblemError } from '#libs/kernel';
import { OnboardingStore, type Columns, type SubjectRef } from '#libs/onboarding';
import { PlatformModule } from '#libs/platform';
import { aClaim, anOnboarding, inMs, testServersConfig } from '#libs/testing';
import { OtpBudget } from './otp-budget.js';
import { OtpModule } from './otp.module.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const LIMITS = { window: 3, day: 5, wrong: 4 };

let module: TestingModule;
let store: OnboardingStore;
let budget: OtpBudget;
let dataSource: DataSource;
beforeAll(async () => {
  const config = await testServersConfig({
    DATABASE_POOL_SIZE: '20',
    OTP_SENDS_PER_WINDOW: String(LIMITS.window),
    OTP_SENDS_PER_DAY: String(LIMITS.day),
    OTP_WRONG_PER_DAY: String(LIMITS.wrong),
    OTP_SEND_WINDOW_MS: String(10 * MINUTE),
  });
  module = await Test.createTestingModule({ imports: [PlatformModule.forRoot(config), OtpModule] }).compile();
  module.useLogger(false);
  await module.init();
  [store, budget, dataSource] = [module.get(OnboardingStore), module.get(OtpBudget), module.get(DataSource)];
});
afterAll(() => module.close());

const aSubject = (): SubjectRef => ({ integration: 'byzantine', subjectKey: randomUUID() });

const rowOf = ({ integration, subjectKey }: SubjectRef, columns: Record<string, unknown> = {}) =>
  anOnboarding(dataSource, { integration, subject_key: subjectKey, ...columns });

/** Conditions that allow any caller, integration and version. */
const given = (id: string) => ({
  id,
  by: { caller: null, integrations: null },
  versions: undefined,
  key: undefined,
  fingerprint: 'f',
  claim: aClaim(),
});

async function charge(subject: SubjectRef): Promise<boolean> {
  const id = await rowOf(subject, { state: 'otp_needed', reason: 'otp_expired', otp_resend_at: inMs(-1) });
  return (await store.claimSend(given(id), { states: ['otp_needed'], events: [] })) !== null;
}

/** @returns null if the verification was refused. */
const claimTry = async (subject: SubjectRef) =>
  store.claimVerify(given(await rowOf(subject, { otp_sent_at: inMs(-HOUR) })), Buffer.from('sealed'), null);
const chargeTry = async (subject: SubjectRef) => (await claimTry(subject)) !== null;

const IN_STEP = {
  'init-otp': { state: 'otp_requested', step: 'init-otp' },
  'verify-otp': { state: 'otp_submitted', step: 'verify-otp', otp_sent_at: inMs(-HOUR) },
} as const;

async function settle(
  subject: SubjectRef,
  step: keyof typeof IN_STEP,
  refund: 'send' | 'try' | null,
  otpResendAt?: Date,
): Promise<Columns | null> {
  const seen = await store.find(
    await rowOf(subject, { ...IN_STEP[step], attempt: 1, lease_until: inMs(MINUTE) }),
  );
  const patch = { state: 'otp_needed', step: null, otpResendAt: otpResendAt ?? seen!.now } as const;
  return store.settle(step, seen!, { patch, events: [], refund }, seen!.now);
}

/** @returns null if the start was refused. */
async function start({ integration, subjectKey }: SubjectRef): Promise<string | null> {
  const id = uuidV7(Date.now());
  const started = {
    id,
    caller: 'default',
    integration,
    provider: 'byzantine',
    subject: {},
    subjectKey,
    sealedContact: null,
    sealedDataKey: null,
    dataKeyId: null,
    otpChoice: {},
    externalRef: null,
    metadata: {},
    sealedRequests: null,
    fingerprint: 'f',
  };
  return (await store.start(started, aClaim(), undefined, {})) && id;
}

/** Makes all entries of a budget older by `ms`. */
const wait = ({ integration, subjectKey }: SubjectRef, ms: number) =>
  dataSource.query(
    `UPDATE otp_budgets SET
       sends = ARRAY(SELECT t - $3::float8 * interval '1 millisecond' FROM unnest(sends) t),
       wrong_codes = ARRAY(SELECT t - $3::float8 * interval '1 millisecond' FROM unnest(wrong_codes) t)
     WHERE integration = $1 AND subject_key = $2`,
    [integration, subjectKey, ms],
  );

/** Writes a budget with entries of these ages in milliseconds. */
async function used(
  { integration, subjectKey }: SubjectRef,
  sends: number[],
  wrongCodes: number[] = [],
): Promise<void> {
  const ago = (n: number) =>
    `ARRAY(SELECT clock_timestamp() - ms * interval '1 millisecond'
      FROM unnest($${n}::float8[]) ms ORDER BY ms DESC)`;
  await dataSource.query(
    `INSERT INTO otp_budgets (integration, subject_key, sends, wrong_codes)
     VALUES ($1, $2, ${ago(3)}, ${ago(4)})
     ON CONFLICT (integration, subject_key)
       DO UPDATE SET sends = excluded.sends, wrong_codes = excluded.wrong_codes`,
    [integration, subjectKey, sends, wrongCodes],
  );
}

const refusalOf = (explained: Promise<void>) =>
  explained.then(
    () => null,
    (error: unknown) => error as ProblemError,
  );

describe('a subject’s budget of sends and wrong codes', () => {
  it('allows exactly the configured number of sends, also if they are concurrent', async () => {
    const subject = aSubject();
    const charged = await Promise.all(Array.from({ length: 20 }, () => charge(subject)));
    expect(charged.filter(Boolean)).toHaveLength(LIMITS.window);
  });

  it('allows exactly the configured number of starts, with one live onboarding at a time', async () => {
    const subject = aSubject();
    const started: string[][] = [];
    for (let round = 0; round <= LIMITS.window; round++) {
      const ids = (await Promise.all(Array.from({ length: 20 }, () => start(subject)))).filter(
        (id) => id !== null,
      );
      started.push(ids);
      await dataSource.query(`UPDATE onboardings SET state = 'cancelled' WHERE id = ANY ($1)`, [ids]);
    }
    expect(started.map((ids) => ids.length)).toEqual([...Array(LIMITS.window).fill(1), 0]);
  });

  it('allows exactly the configured number of tries a day', async () => {
    const subject = aSubject();
    const charged = await Promise.all(Array.from({ length: 20 }, () => chargeTry(subject)));
    expect(charged.filter(Boolean)).toHaveLength(LIMITS.wrong);
    // Without tries, no more codes are sent either.
    expect(await charge(subject)).toBe(false);
  });

  it('is separate for each integration and subject', async () => {
    const subject = aSubject();
    for (let n = 0; n < LIMITS.window; n++) await charge(subject);
    expect(await charge(subject)).toBe(false);
    expect(await charge(aSubject())).toBe(true);
    expect(await charge({ ...subject, integration: 'other' })).toBe(true);
  });

  it('does not count entries that are older than the window', async () => {
    const subject = aSubject();
    await used(subject, [11 * MINUTE, 9 * MINUTE, 1 * MINUTE]);
    expect(await charge(subject)).toBe(true);
    expect(await charge(subject)).toBe(false);
    await wait(subject, 2 * MINUTE);
    expect(await charge(subject)).toBe(true);
    // Now the day's limit of five sends is used up.
    await wait(subject, 11 * MINUTE);
    expect(await charge(subject)).toBe(false);
    await wait(subject, 24 * HOUR);
    expect(await charge(subject)).toBe(true);
  });

  it('stores only as many entries as its limits need', async () => {
    const subject = aSubject();
    await used(subject, Array(50).fill(25 * HOUR), Array(50).fill(25 * HOUR));
    await charge(subject);
    await chargeTry(subject);
    const [row] = await dataSource.query(
      `SELECT cardinality(sends) AS sends, cardinality(wrong_codes) AS wrong
      FROM otp_budgets WHERE subject_key = $1`,
      [subject.subjectKey],
    );
    expect(row).toEqual({ sends: LIMITS.day, wrong: LIMITS.wrong });
  });

  it('refunds only the latest entry', async () => {
    const subject = aSubject();
    await used(subject, [9 * MINUTE, 5 * MINUTE, 0]);
    expect(await charge(subject)).toBe(false);
    expect(await settle(subject, 'init-otp', 'send')).not.toBeNull();
    // Now only the sends of 9 and 5 minutes ago count. Two minutes later, only the newer of them counts.
    await wait(subject, 2 * MINUTE);
    expect([await charge(subject), await charge(subject), await charge(subject)]).toEqual([
      true,
      true,
      false,
    ]);
  });

  it('allows no more tries than configured, even after too many refunds', async () => {
    const subject = aSubject();
    await charge(subject);
    await settle(subject, 'verify-otp', 'try');
    await settle(subject, 'verify-otp', 'try');
    const tries = [];
    for (let n = 0; n <= LIMITS.wrong; n++) tries.push(await chargeTry(subject));
    expect(tries.filter(Boolean)).toHaveLength(LIMITS.wrong);
  });
});

describe('Retry-After', () => {
  const age = fc.integer({ min: 0, max: 26 * HOUR });
  const ages = (max: number) => fc.array(age, { maxLength: max });

  it('is exactly as long as a refused send must wait', async () => {
    await fc.assert(
      fc.asyncProperty(ages(8), ages(6), async (sends, wrong) => {
        const subject = aSubject();
        await used(subject, sends, wrong);
        const refusal = await refusalOf(budget.mustHaveSend(subject, { waitMs: 0 }));
        if (!refusal) return expect(await charge(subject)).toBe(true);
        expect(['otp_send_limit', 'otp_locked']).toContain(refusal.code);
        expect(refusal.status).toBe(429);
        const waitMs = refusal.retryAfterS! * 1000;
        expect(await charge(subject)).toBe(false);
        if (waitMs > 5000) {
          await wait(subject, waitMs - 5000);
          expect(await charge(subject)).toBe(false);
          await wait(subject, 5000);
        } else await wait(subject, waitMs);
        expect(await refusalOf(budget.mustHaveSend(subject, { waitMs: 0 }))).toBeNull();
        expect(await charge(subject)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('covers both limits if wrong codes and sends are used up', async () => {
    const subject = aSubject();
    await used(subject, [HOUR, HOUR, HOUR, HOUR, HOUR], Array(LIMITS.wrong).fill(20 * HOUR));
    const refusal = await refusalOf(budget.mustHaveSend(subject, { waitMs: 0 }));
    expect(refusal).toMatchObject({ code: 'otp_locked' });
    expect(refusal!.retryAfterS).toBeGreaterThan(22 * 3600);
  });

  it('lasts until a send is allowed, even after PostgreSQL’s clock was set back by an hour', async () => {
    const subject = aSubject();
    await dataSource.query(
      `INSERT INTO otp_budgets (integration, subject_key, sends)
       SELECT $1, $2, array_agg(clock_timestamp() + age ORDER BY place)
       FROM unnest('{1 hour, -2 minutes, -1 minute}'::interval[]) WITH ORDINALITY AS sends (age, place)`,
      [subject.integration, subject.subjectKey],
    );
    expect(await charge(subject)).toBe(false);
    const refusal = await refusalOf(budget.mustHaveSend(subject, { waitMs: 0 }));
    expect(refusal!.retryAfterS).toBeGreaterThan(69 * 60);
  });

  it('of a refused try covers the day’s limit of wrong codes', async () => {
    const subject = aSubject();
    await used(subject, Array(10).fill(0), Array(LIMITS.wrong).fill(23 * HOUR));
    const refusal = await refusalOf(budget.mustHaveTry(subject));
    expect(refusal).toMatchObject({ code: 'otp_locked', status: 429 });
    expect(refusal!.retryAfterS).toBeGreaterThan(3590);
    expect(refusal!.retryAfterS).toBeLessThanOrEqual(3600);
    expect(await refusalOf(budget.mustHaveTry(aSubject()))).toBeNull();
  });
});

describe('the instant when another code may be sent', () => {
  const CHANGES: Record<string, (subject: SubjectRef) => Promise<Columns | null>> = {
    'with the recorded entries': (subject) => settle(subject, 'init-otp', null),
    'with a try that the same statement charges': claimTry,
    'with a try that the same statement refunds': (subject) => settle(subject, 'verify-otp', 'try'),
    'with a send that the same statement refunds': (subject) => settle(subject, 'init-otp', 'send'),
  };
  const age = fc.integer({ min: 0, max: 26 * HOUR });

  it.each(Object.entries(CHANGES))(
    'is the first instant with room in the budgets: %s',
    async (_, change) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(age, { minLength: 1, maxLength: 8 }),
          fc.array(age, { minLength: 1, maxLength: 6 }),
          async (sends, wrong) => {
            const subject = aSubject();
            await used(subject, sends, wrong);
            const changed = await change(subject);
            // The day's limit of wrong codes refused the try.
            if (!changed) return;
            const waitMs = changed.otpResendAt!.getTime() - changed.now.getTime();
            if (waitMs > 5_000) {
              await wait(subject, waitMs - 5_000);
              expect(await charge(subject)).toBe(false);
              await wait(subject, 5_000);
            } else await wait(subject, Math.max(0, waitMs));
            expect(await charge(subject)).toBe(true);
          },
        ),
        { numRuns: 40 },
      );
    },
    60_000,
  );

  it('is never before the end of the cooldown', async () => {
    const cooldownEnd = new Date(Date.now() + MINUTE);
    for (const [step, refund] of [
      ['init-otp', null],
      ['init-otp', 'send'],
      ['verify-otp', 'try'],
    ] as const) {
      const row = await settle(aSubject(), step, refund, cooldownEnd);
      expect(row!.otpResendAt).toEqual(cooldownEnd);
    }
    const sentNow = await rowOf(aSubject());
    const tried = await store.claimVerify(given(sentNow), Buffer.from('sealed'), null);
    expect(tried!.otpResendAt!.getTime() - tried!.otpSentAt!.getTime()).toBe(MINUTE);
  });
});

describe('the deletion of old budgets', () => {
  it('keeps a budget if one of its entries still counts', async () => {
    const [over, sent, wrong] = [aSubject(), aSubject(), aSubject()];
    await used(over, [25 * HOUR, 30 * HOUR], [26 * HOUR]);
    await used(sent, [25 * HOUR, 23 * HOUR]);
    await used(wrong, [25 * HOUR], [23 * HOUR]);
    expect(await store.forgetBudgets()).toBeGreaterThan(0);
    const rows: { key: string }[] = await dataSource.query(
      'SELECT subject_key AS key FROM otp_budgets WHERE subject_key = ANY ($1)',
      [[over, sent, wrong].map(({ subjectKey }) => subjectKey)],
    );
    expect(rows.map(({ key }) => key).sort()).toEqual([sent.subjectKey, wrong.subjectKey].sort());
  });

  it('keeps a budget that names a live onboarding, so that its subject cannot start another', async () => {
    const subject = aSubject();
    await used(subject, [25 * HOUR]);
    const id = await rowOf(subject);
    await store.forgetBudgets();
    expect(await store.findLatest(subject.integration, subject.subjectKey)).toMatchObject({ id });
    await dataSource.query(`UPDATE onboardings SET state = 'cancelled' WHERE id = $1`, [id]);
    expect(await store.forgetBudgets()).toBeGreaterThan(0);
    expect(await store.findLatest(subject.integration, subject.subjectKey)).toBeNull();
  });

  it('reads each budget once, even if most budgets still have entries that count', async () => {
    await dataSource.query(
      `INSERT INTO otp_budgets (integration, subject_key, sends)
       SELECT 'many', lpad(n::text, 6, '0'),
         ARRAY[clock_timestamp() - CASE WHEN n % 5000 = 0 THEN interval '25 hours' ELSE interval '1 hour' END]
       FROM generate_series(1, 11000) n`,
    );
    const run = jest.spyOn(module.get(PreparedStatements), 'run');
    expect(await store.forgetBudgets()).toBeGreaterThanOrEqual(2);
    const pages = run.mock.calls.map(([, values]) => values.slice(0, 2).join());
    run.mockRestore();
    expect(pages.length).toBeGreaterThanOrEqual(3);
    expect(new Set(pages).size).toBe(pages.length);
    const left = await dataSource.query(
      `DELETE FROM otp_budgets WHERE integration = 'many' RETURNING subject_key`,
    );
    expect(left[0]).toHaveLength(10_998);
  });
});
