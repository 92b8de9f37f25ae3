import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { isDatabaseAway } from '#libs/database';
import { OnboardingStore, type KeyToTake } from '#libs/onboarding';
import { OtpService } from '#libs/otp';
import { Secret } from '#libs/kernel';
import { aCaller, testDatabaseUrl, until } from '#libs/testing';
import { NOW } from '../../libs/onboarding/src/store/statements/reads.js';
import { LostClaims } from '../../libs/onboarding/src/attempt/lost-claims.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { ENV, begin, heard, type ActName, type Seen, type Situation } from './acts.js';
import { Side, Watcher } from './two-sides.js';

/**
 * In these tests, a process loses its connection during a claim (the statement that begins an attempt), and
 * makes no call. If PostgreSQL still executes the claim, the step waits for its next try. Otherwise nothing
 * has changed.
 */

/**
 * Values of CLAIM_MAX_AGE_MS. After the connection breaks, PostgreSQL still executes a claim with the long
 * age, but refuses a claim with the short age as too old.
 */
const PATIENT = '2000';
const HASTY = '300';
/** The trigger PAUSE_COMMITS waits for this advisory lock. */
const COMMITS = 715_001;
const PAUSE_COMMITS = `
  CREATE FUNCTION pause_commits() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(${COMMITS}); RETURN NULL; END';
  CREATE CONSTRAINT TRIGGER pause_commits AFTER INSERT OR UPDATE ON onboardings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pause_commits()`;

let proxy: TcpProxy;
let patient: Side;
let hasty: Side;
let watcher: Watcher;
let holder: Client;
let holderPid: number;
beforeAll(async () => {
  const url = await testDatabaseUrl();
  proxy = await TcpProxy.start(url);
  const env = { ...ENV, DATABASE_URL: proxy.url, DATABASE_POOL_SIZE: '3' };
  patient = await Side.open({ ...env, CLAIM_MAX_AGE_MS: PATIENT });
  hasty = await Side.open({ ...env, CLAIM_MAX_AGE_MS: HASTY });
  watcher = await Watcher.open();
  holder = new Client({ connectionString: url });
  await holder.connect();
  holderPid = (await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
});
afterAll(async () => {
  await holder.end();
  await Promise.all([patient.close(), hasty.close(), watcher.close()]);
  await proxy.close();
});
beforeEach(async () => {
  for (const table of ['otp_budgets', 'idempotency_keys', 'credentials', 'onboardings'])
    await watcher.query(`DELETE FROM ${table}`);
});
afterEach(() => holder.query('ROLLBACK'));

type Claim = (side: Side, seen: Seen) => Promise<string>;
const act =
  (name: ActName): Claim =>
  (side, seen) =>
    heard(name, side, seen);

const KEY: KeyToTake = {
  caller: 'default',
  route: 'r',
  key: 'k',
  fingerprint: 'f',
  id: '0198a000-0000-7000-8000-00000000000a',
  lockMs: 15_000,
};
const WITH_KEY = { caller: aCaller(), waitMs: 0, key: KEY };

const CLAIMS = {
  start: { situation: 'cancelled long ago, in doubt', claim: act('start') },
  'superseding start': { situation: 'otp_sent', claim: act('superseding start') },
  resend: { situation: 'otp_sent', claim: act('resend') },
  verification: { situation: 'otp_sent', claim: act('verify') },
  'creation of passkeys': { situation: 'otp_verified', claim: act('submit passkeys') },
  retry: { situation: 'otp_submitted, a try is due', claim: act('claim again') },
} as const satisfies Record<string, { situation: Situation; claim: Claim }>;
type ClaimName = keyof typeof CLAIMS;
const ALL = Object.keys(CLAIMS) as ClaimName[];

const isStart = (name: ClaimName) => name === 'start' || name === 'superseding start';

async function lockOnboarding(id: string): Promise<void> {
  await holder.query('BEGIN');
  await holder.query('SELECT 1 FROM onboardings WHERE id = $1 FOR UPDATE', [id]);
}

/** Locks the row that the claim and the service's search for the attempt need. */
async function lockRow(name: ClaimName, { id, row }: Seen): Promise<void> {
  if (isStart(name)) {
    await holder.query('BEGIN');
    await holder.query('SELECT 1 FROM otp_budgets WHERE integration = $1 AND subject_key = $2 FOR UPDATE', [
      row.integration,
      row.subjectKey,
    ]);
  } else await lockOnboarding(id);
}

const pauseCommits = () => holder.query(`BEGIN; SELECT pg_advisory_xact_lock(${COMMITS})`);

/** Takes the idempotency key, so that the claim waits for it before it locks any row. */
const takeKey = () =>
  holder.query(`BEGIN; INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by)
    VALUES ('default', 'r', 'k', 'other', gen_random_uuid())`);

const release = () => holder.query('ROLLBACK');

/** @returns the PostgreSQL backends that the backend `pid` blocks. */
async function waitingFor(pid: number): Promise<number[]> {
  const rows = await watcher.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND $1 = ANY (pg_blocking_pids(pid))`,
    [pid],
  );
  return rows.map((row) => row.pid);
}

const isGone = async (pid: number) =>
  (await watcher.query('SELECT 1 FROM pg_stat_activity WHERE pid = $1', [pid])).length === 0;

/**
 * Cuts the connection while the claim waits for a lock.
 * @returns the PostgreSQL backend that still runs the claim.
 */
async function giveUp(side: Side, seen: Seen, claim: Claim): Promise<number> {
  const outcome = claim(side, seen).then(
    (word) => `heard ${word}`,
    (error: unknown) => error,
  );
  const pid = await until('the claim waits', async () => (await waitingFor(holderPid))[0]);
  proxy.cut();
  expect(isDatabaseAway(await outcome)).toBe(true);
  expect(await isGone(pid)).toBe(false);
  return pid;
}

/**
 * Waits until the service's search for the attempt also waits for the locked row. By then, a claim with the
 * short maximum age is too old.
 */
const probeWaits = (claimPid: number) =>
  until('the probe waits for the row', async () => {
    const waiting = [...(await waitingFor(holderPid)), ...(await waitingFor(claimPid))];
    return waiting.some((pid) => pid !== claimPid);
  });

async function over(side: Side, claimPid: number): Promise<void> {
  await until('PostgreSQL has ended the claim', () => isGone(claimPid));
  await side.get(LostClaims).beforeApplicationShutdown();
}

async function standing() {
  const rows = await watcher.query('SELECT to_jsonb(o) AS row FROM onboardings o ORDER BY id');
  const events = await watcher.query(
    'SELECT onboarding_id, seq, type, data FROM onboarding_events ORDER BY onboarding_id, seq',
  );
  const budgets = await watcher.query('SELECT subject_key, sends, wrong_codes, live_id FROM otp_budgets');
  const beside = await watcher.query(
    `SELECT (SELECT count(*) FROM idempotency_keys) AS keys,
       (SELECT count(*) FROM credentials) AS credentials,
       (SELECT count(*) FROM webauthn_challenges) AS challenges`,
  );
  return { rows, events, budgets, beside };
}

/** Expects that the step waits for its next try, and that the subject's budget is not charged. */
async function expectNotSent(side: Side, name: ClaimName, seen: Seen): Promise<void> {
  const { integration, subjectKey } = seen.row;
  const store = side.get(OnboardingStore);
  const id = isStart(name) ? (await store.findLatest(integration, subjectKey))!.id : seen.id;
  if (isStart(name)) expect(id).not.toBe(seen.id);
  const row = (await store.find(id))!;
  expect(row).toMatchObject({
    leaseUntil: null,
    nextAttemptAt: expect.any(Date),
    parkedReason: null,
    doubtAttempt: null,
    attempt: isStart(name) ? 1 : seen.row.attempt + 1,
    unresolved: isStart(name) ? [] : seen.row.unresolved,
  });
  const events = await store.events(id, Math.max(0, row.lastSeq - 3), 10);
  expect(events.map(({ type }) => type)).toEqual(['attempt_started', 'attempt_ended', 'retry_scheduled']);
  expect(events[1]!.data).toMatchObject({ attempt: row.attempt, class: 'not_sent', upstreamStatus: null });
  expect(events[1]!.data).not.toHaveProperty('lapsed');
  // A verification counts as a wrong code until its result is known.
  const [budget] = await watcher.query(
    `SELECT cardinality(wrong_codes) AS tries, cardinality(ARRAY(
       SELECT t FROM unnest(sends) t WHERE t > clock_timestamp() - interval '1 day')) AS sends
     FROM otp_budgets`,
  );
  expect(budget).toEqual({ tries: name === 'verification' ? 1 : 0, sends: 0 });
}

describe('a broken connection while the statement that begins an attempt waits for a row lock', () => {
  // A superseding start runs its statement twice. This test is about the first run.
  it.each(ALL)('leaves no change if the statement gets the lock too late: %s', async (name) => {
    const { situation, claim } = CLAIMS[name];
    const seen = await begin(hasty, situation);
    const before = await standing();
    await lockRow(name, seen);
    const pid = await giveUp(hasty, seen, claim);
    await probeWaits(pid);
    await release();
    await over(hasty, pid);
    expect(await standing()).toEqual(before);
  });

  it.each(['start', 'verification', 'retry'] as const)(
    'leaves an attempt that ends as not sent, if the statement gets the lock in time: %s',
    async (name) => {
      const { situation, claim } = CLAIMS[name];
      const seen = await begin(patient, situation);
      await lockRow(name, seen);
      const pid = await giveUp(patient, seen, claim);
      await release();
      await over(patient, pid);
      await expectNotSent(patient, name, seen);
    },
  );
});

/**
 * Claims that wait for another lock before they lock their own row. The search for the attempt waits only for
 * that row.
 */
const EARLY = {
  'start with a key': {
    name: 'start',
    hold: takeKey,
    claim: (side, { row }) =>
      side
        .get(OtpService)
        .start({ subject: row.subject }, WITH_KEY)
        .then(({ state }) => state),
  },
  'superseding start': {
    name: 'superseding start',
    hold: ({ id }) => lockOnboarding(id),
    claim: act('superseding start'),
  },
  'verification with a key': {
    name: 'verification',
    hold: takeKey,
    claim: (side, { id }) =>
      side
        .get(OtpService)
        .verify(id, { type: 'code', code: new Secret('123456') }, WITH_KEY)
        .then(({ state }) => state),
  },
} as const satisfies Record<
  string,
  { name: ClaimName; hold: (seen: Seen) => Promise<unknown>; claim: Claim }
>;
const EARLY_NAMES = Object.keys(EARLY) as (keyof typeof EARLY)[];

describe('a connection that breaks before a claim has locked its row', () => {
  it.each(EARLY_NAMES)('leaves no change if a search for the claim precedes the lock: %s', async (early) => {
    const { name, hold, claim } = EARLY[early];
    const seen = await begin(hasty, CLAIMS[name].situation);
    const before = await standing();
    await hold(seen);
    const pid = await giveUp(hasty, seen, claim);
    // The search waits for no lock and finds nothing, because the claim has not locked or written its row.
    await hasty.get(LostClaims).beforeApplicationShutdown();
    await release();
    await over(hasty, pid);
    expect(await standing()).toEqual(before);
  });

  it.each(EARLY_NAMES)(
    'leaves an attempt that ends as not sent, if a search for the claim follows the lock: %s',
    async (early) => {
      const { name, hold, claim } = EARLY[early];
      const seen = await begin(patient, CLAIMS[name].situation);
      await hold(seen);
      const pid = await giveUp(patient, seen, claim);
      await until('the probe waits for the instant', async () => {
        const asked = await watcher.query(
          `SELECT 1 FROM pg_stat_activity
           WHERE datname = current_database() AND state = 'idle' AND query = $1`,
          [NOW.text],
        );
        return asked.length > 0;
      });
      await release();
      await over(patient, pid);
      await expectNotSent(patient, name, seen);
    },
  );
});

describe('a connection that breaks between the write and the commit of a claim', () => {
  beforeAll(() => watcher.query(PAUSE_COMMITS));
  afterAll(() => watcher.query('DROP FUNCTION pause_commits CASCADE'));

  it.each(ALL)('leaves an attempt that ends as not sent, if PostgreSQL commits: %s', async (name) => {
    const { situation, claim } = CLAIMS[name];
    const seen = await begin(patient, situation);
    await pauseCommits();
    const pid = await giveUp(patient, seen, claim);
    await probeWaits(pid);
    await release();
    await over(patient, pid);
    await expectNotSent(patient, name, seen);
  });

  it.each(['start', 'verification'] as const)(
    'leaves no change if PostgreSQL rolls back: %s',
    async (name) => {
      const { situation, claim } = CLAIMS[name];
      const seen = await begin(patient, situation);
      const before = await standing();
      await pauseCommits();
      const pid = await giveUp(patient, seen, claim);
      await probeWaits(pid);
      await watcher.query('SELECT pg_terminate_backend($1)', [pid]);
      await over(patient, pid);
      await release();
      expect(await standing()).toEqual(before);
    },
  );
});
