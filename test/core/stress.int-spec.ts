import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { ProblemError, Secret } from '#libs/kernel';
import {
  ENDED_STATES,
  OnboardingService,
  OnboardingStore,
  Retention,
  Timelines,
  type Row,
} from '#libs/onboarding';
import { OtpService } from '#libs/otp';
import { aCaller, until } from '#libs/testing';
import { Settlement } from '../../libs/onboarding/src/attempt/settle.js';
import { Expiry } from '../../libs/onboarding/src/upkeep/expire.js';
import { SeededRandom } from '../support/drivers/seeded-random.js';
import { failed } from './core.js';
import { Side, Watcher } from './two-sides.js';

const SEED = 'stress/7';
const SUBJECTS = 6;
const WORKERS = 8;
const ACTS = 2_500;
/** After this time, it is enough that each kind of act has succeeded once. */
const ENOUGH_MS = 12_000;

/** Lifetimes are short, so that some onboardings expire during the test. */
const ENV = {
  DATABASE_POOL_SIZE: '8',
  OTP_RESEND_COOLDOWN_MS: '1',
  OTP_SENDS_PER_WINDOW: '1000',
  OTP_SENDS_PER_DAY: '1000',
  OTP_WRONG_PER_DAY: '1000',
  ONBOARDING_IDLE_MS: '1500',
  CALL_TIMEOUT_MS: '600',
  CLAIM_MAX_AGE_MS: '500',
  LEASE_MS: '1200',
};

/** Keeps each budget row locked for a moment. Otherwise different lock orders would rarely deadlock. */
const HOLD_BUDGETS = `
  CREATE FUNCTION hold_budgets() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(0.003); RETURN NEW; END';
  CREATE TRIGGER hold_budgets BEFORE UPDATE ON otp_budgets FOR EACH ROW EXECUTE FUNCTION hold_budgets()`;

let sides: Side[];
let watcher: Watcher;
beforeAll(async () => {
  sides = [await Side.open(ENV), await Side.open(ENV)];
  watcher = await Watcher.open();
  for (const table of ['otp_budgets', 'idempotency_keys', 'onboarding_events', 'onboardings'])
    await watcher.query(`DELETE FROM ${table}`);
  await watcher.query(HOLD_BUDGETS);
});
afterAll(async () => {
  await watcher.query('DROP FUNCTION hold_budgets CASCADE');
  await Promise.all([...sides.map((side) => side.close()), watcher.close()]);
});

const terms = { caller: aCaller(), waitMs: 0 };
const subjects = Array.from({ length: SUBJECTS }, () => ({ accountId: randomUUID(), userId: randomUUID() }));

const WEIGHTS = {
  start: 2,
  supersede: 2,
  verify: 2,
  resend: 2,
  cancel: 1,
  erase: 1,
  settle: 6,
  meet: 6,
  expire: 1,
  anchor: 0.3,
  retain: 0.2,
};
type Act = keyof typeof WEIGHTS;
/** Without `meet`, which only runs other acts at the same time. */
const KINDS = Object.keys(WEIGHTS).filter((act) => act !== 'meet');

class Tally {
  readonly counts = new Map<string, number>();
  add(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
  of(what: string): number {
    return this.counts.get(what) ?? 0;
  }
}

class Worker {
  readonly #random: SeededRandom;

  constructor(
    private readonly side: Side,
    name: string,
  ) {
    this.#random = new SeededRandom(SEED).stream(name);
  }

  async act(tally: Tally): Promise<void> {
    const act = this.#random.weighted(WEIGHTS);
    const subject = this.#random.pick(subjects);
    tally.add(act);
    if (act !== 'meet') return this.#try(act, subject, tally);
    // Four acts at the same moment compete for the locks of a new onboarding.
    await this.#try('supersede', subject, tally);
    await this.#try('settle', subject, tally);
    await Promise.all(
      (['supersede', 'verify', 'verify', 'resend'] as const).map(async (each) => {
        for (let reads = this.#random.int(0, 4); reads > 0; reads--) await this.#live(subject);
        await this.#try(each, subject, tally);
      }),
    );
  }

  #live(subject: (typeof subjects)[number]) {
    const { integration, subjectKey } = this.side.get(OtpService).subjectOf({ subject });
    return this.side.get(OnboardingStore).findLatest(integration, subjectKey);
  }

  async #try(act: Act, subject: (typeof subjects)[number], tally: Tally): Promise<void> {
    try {
      if (await this.#do(act, subject)) tally.add(`${act} done`);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      tally.add(error.code); // the service refused the act
    }
  }

  /** @returns false if the subject has no live onboarding, or no attempt in flight that could end. */
  async #do(act: Act, subject: (typeof subjects)[number]): Promise<unknown> {
    const { side } = this;
    const otp = side.get(OtpService);
    if (act === 'start') return otp.start({ subject }, terms);
    if (act === 'supersede') return otp.start({ subject, supersede: true }, terms);
    if (act === 'expire') return side.get(Expiry).run();
    if (act === 'anchor') return side.get(Timelines).anchor();
    if (act === 'retain') return side.get(Retention).run();
    const live = await this.#live(subject);
    if (!live?.row) return false;
    const { id, row } = live;
    if (act === 'verify') return otp.verify(id, { type: 'code', code: new Secret('123456') }, terms);
    if (act === 'resend') return otp.resend(id, {}, terms);
    if (act === 'cancel') return side.get(OnboardingService).cancel(id, undefined, terms);
    if (act === 'erase')
      return side
        .get(OnboardingService)
        .erase(id, terms)
        .then(() => true);
    if (!row.leaseUntil) return false;
    return side.get(Settlement).settle(row, this.#end(row));
  }

  #end(row: Row) {
    const how = this.#random.int(1, 15);
    if (how === 1) return failed('no_answer');
    if (how === 2) return failed('rejected', { status: 400 });
    if (how === 3) return failed('not_sent');
    const sent = { signal: 'otp_sent', facts: { handle: 'h', targetBundle: null, lifeMs: 700 } } as const;
    const sessionExpiresAt = new Date(Date.now() + 60_000);
    const verified = {
      signal: 'otp_verified',
      facts: { sealedGrant: Buffer.from('grant'), deviceSigning: null, sessionExpiresAt },
    } as const;
    return { type: 'succeeded', end: row.step === 'init-otp' ? sent : verified, durationMs: 1 } as const;
  }
}

async function subjectsWithTwoLive(): Promise<unknown[]> {
  return watcher.query(
    `SELECT subject_key, array_agg(id) AS ids FROM onboardings WHERE NOT state = ANY ($1)
     GROUP BY integration, subject_key HAVING count(*) > 1`,
    [ENDED_STATES],
  );
}

it('many workers cause no deadlock, no second live onboarding, and no gap in a timeline', async () => {
  const deadlocksBefore = await watcher.deadlocks();
  const tally = new Tally();
  const enoughAt = performance.now() + ENOUGH_MS;
  const isComplete = () => KINDS.every((act) => tally.of(`${act} done`) > 0);
  let left = ACTS;
  const working = Promise.all(
    Array.from({ length: WORKERS }, async (_, n) => {
      const worker = new Worker(sides[n % sides.length]!, `worker/${n}`);
      for (; left > 0 && !(performance.now() > enoughAt && isComplete()); left -= 1) await worker.act(tally);
    }),
  ).finally(() => (left = 0));
  while (left > 0) expect(await subjectsWithTwoLive()).toEqual([]);
  await working;
  expect(await subjectsWithTwoLive()).toEqual([]);

  const rows = await watcher.query<{ id: string; last_seq: number; seqs: number[] }>(
    `SELECT o.id, o.last_seq, ARRAY(
       SELECT e.seq FROM onboarding_events e WHERE e.onboarding_id = o.id ORDER BY e.seq) AS seqs
     FROM onboardings o`,
  );
  for (const { last_seq: last, seqs } of rows)
    expect(seqs).toEqual(Array.from({ length: last }, (_, n) => n + 1));

  // PostgreSQL may add a connection's deadlocks to the statistics only when the connection ends.
  await Promise.all(sides.splice(0).map((side) => side.close()));
  await until('the connections have ended', async () => {
    const open = await watcher.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'gangway'`,
    );
    return open.length === 0;
  });
  expect(await watcher.deadlocks()).toBe(deadlocksBefore);

  expect(KINDS.filter((act) => tally.of(`${act} done`) === 0)).toEqual([]);
});
