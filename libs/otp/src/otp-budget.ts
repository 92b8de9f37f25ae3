import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';
import {
  OnboardingStore,
  Retention,
  SqlValue,
  nextActionOf,
  type Clause,
  type Row,
  type SubjectRef,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';

const DAY_MS = 86_400_000;
const BATCH = 5_000;

interface Usage {
  sends: Date[];
  wrongCodes: Date[];
  now: Date;
}

/** A refused command: what it would have to wait for besides, in milliseconds, and its onboarding if it has one. */
interface Refused {
  waitMs: number;
  row?: Row | undefined;
}

/**
 * How many codes a subject may be sent, and how many wrong ones may be tried. One row per integration and
 * subject holds the instants that still count; a claim charges it in its own statement, so that a hundred
 * claims at once cannot overdraw it.
 */
@Injectable()
export class OtpBudget implements OnModuleInit {
  constructor(
    private readonly store: OnboardingStore,
    private readonly retention: Retention,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.retention.register('otpBudgets', () => this.forget());
  }

  /** Deletes the budgets that hold nothing that still counts. @returns how many. */
  async forget(): Promise<number> {
    const text = `
      WITH page AS MATERIALIZED (
        SELECT integration, subject_key FROM otp_budgets WHERE (integration, subject_key) > ($1, $2)
        ORDER BY integration, subject_key LIMIT $3
      ), over AS (
        SELECT b.integration, b.subject_key FROM otp_budgets b JOIN page p USING (integration, subject_key)
        WHERE ${countWithin('b.sends', DAY_MS)} = 0 AND ${countWithin('b.wrong_codes', DAY_MS)} = 0
        FOR UPDATE OF b SKIP LOCKED
      ), gone AS (
        DELETE FROM otp_budgets b USING over o
        WHERE b.integration = o.integration AND b.subject_key = o.subject_key RETURNING 1
      )
      SELECT p.integration, p.subject_key AS "subjectKey", (SELECT count(*)::int FROM gone) AS gone,
        (SELECT count(*)::int FROM page) AS seen
      FROM page p ORDER BY 1 DESC, 2 DESC LIMIT 1`;
    // Each row is looked at once, however many there are that still count.
    for (let forgotten = 0, after = ['', '']; ;) {
      const [page] = await this.store.query<SubjectRef & { gone: number; seen: number }>(text, [
        ...after,
        BATCH,
      ]);
      forgotten += page?.gone ?? 0;
      if (!page || page.seen < BATCH) return forgotten;
      after = [page.integration, page.subjectKey];
    }
  }

  /** Charges one send, where the budgets of ten minutes, of the day and of wrong codes allow it. */
  chargeSend(): Clause {
    return {
      name: 'send_charged',
      required: true,
      write: (b, row) => `
        INSERT INTO otp_budgets AS b (integration, subject_key, sends)
        SELECT t.integration, t.subject_key, ARRAY[clock_timestamp()] FROM ${row} t
        ON CONFLICT (integration, subject_key) DO UPDATE SET
          sends = ${within('b.sends', DAY_MS)} || clock_timestamp(),
          wrong_codes = ${within('b.wrong_codes', DAY_MS)}
        WHERE ${countWithin('b.sends', this.config.OTP_SEND_WINDOW_MS)} < ${b.bind(this.config.OTP_SENDS_PER_WINDOW, 'int')}
          AND ${countWithin('b.sends', DAY_MS)} < ${b.bind(this.config.OTP_SENDS_PER_DAY, 'int')}
          AND ${countWithin('b.wrong_codes', DAY_MS)} < ${b.bind(this.config.OTP_WRONG_PER_DAY, 'int')}
        RETURNING 1`,
    };
  }

  /** Charges a try as if it were wrong, before it is made: a crash in the middle must not give one for free. */
  chargeTry(): Clause {
    return {
      name: 'try_charged',
      required: true,
      write: (b, row) => `
        INSERT INTO otp_budgets AS b (integration, subject_key, wrong_codes)
        SELECT t.integration, t.subject_key, ARRAY[clock_timestamp()] FROM ${row} t
        ON CONFLICT (integration, subject_key) DO UPDATE SET
          wrong_codes = ${within('b.wrong_codes', DAY_MS)} || clock_timestamp()
        WHERE ${countWithin('b.wrong_codes', DAY_MS)} < ${b.bind(this.config.OTP_WRONG_PER_DAY, 'int')}
        RETURNING 1`,
    };
  }

  /**
   * When the subject may be sent another code: after the cooldown, and not before a budget has room again. Only the
   * subject's one live onboarding charges them, so that what is written when they change stays true.
   *
   * @param noSooner SQL for the end of the cooldown.
   * @param changes what the same statement adds to the budgets, or gives back where negative: it does not see that.
   */
  resendAt(noSooner: SqlValue, { sends = 0, tries = 0 }: { sends?: number; tries?: number } = {}): SqlValue {
    const { OTP_SENDS_PER_DAY, OTP_SENDS_PER_WINDOW, OTP_SEND_WINDOW_MS, OTP_WRONG_PER_DAY } = this.config;
    return new SqlValue(
      (bindings) => `greatest(
        ${noSooner.write(bindings)}, (
        SELECT greatest(
          ${freeAt('b.sends', OTP_SENDS_PER_WINDOW - sends, OTP_SEND_WINDOW_MS)},
          ${freeAt('b.sends', OTP_SENDS_PER_DAY - sends, DAY_MS)},
          ${freeAt('b.wrong_codes', OTP_WRONG_PER_DAY - tries, DAY_MS)})
        FROM otp_budgets b WHERE b.integration = o.integration AND b.subject_key = o.subject_key))`,
    );
  }

  /** How many tries a code has left, less those that the subject's day has no room for: all of them, or none. */
  triesLeft(left: number): SqlValue {
    return new SqlValue(
      () => `CASE WHEN EXISTS (
        SELECT 1 FROM otp_budgets b WHERE b.integration = o.integration AND b.subject_key = o.subject_key
          AND ${countWithin('b.wrong_codes', DAY_MS)} >= ${this.config.OTP_WRONG_PER_DAY}) THEN 0 ELSE ${left} END`,
    );
  }

  /** Gives back the latest send: it certainly did not happen. */
  readonly refundSend: Clause = refund('send_refunded', 'sends');

  /** Gives back the latest try: it certainly was no wrong code. */
  readonly refundTry: Clause = refund('try_refunded', 'wrong_codes');

  /**
   * @throws ProblemError where a budget for sends is used up, with a `Retry-After` that is enough.
   */
  async explainSend(subject: SubjectRef, { waitMs: othersMs, row }: Refused): Promise<void> {
    const usage = await this.#usage(subject);
    const { OTP_SENDS_PER_DAY, OTP_SENDS_PER_WINDOW, OTP_SEND_WINDOW_MS } = this.config;
    const dayMs = freeInMs(usage.sends, usage.now, DAY_MS, OTP_SENDS_PER_DAY);
    const windowMs = freeInMs(usage.sends, usage.now, OTP_SEND_WINDOW_MS, OTP_SENDS_PER_WINDOW);
    const waitMs = Math.max(dayMs, windowMs);
    const longestMs = Math.max(waitMs, othersMs);
    this.#throwIfLocked(usage, { waitMs: longestMs, row });
    if (waitMs <= 0) return;
    throw new ProblemError('otp_send_limit', {
      detail: 'This subject was sent as many codes as are allowed for now.',
      retryAfterS: Math.ceil(longestMs / 1000),
      extensions: row ? standing(row) : {},
      rateLimit:
        dayMs >= windowMs
          ? { policy: 'otp-sends-day', quota: OTP_SENDS_PER_DAY, windowS: DAY_MS / 1000 }
          : {
              policy: 'otp-sends',
              quota: OTP_SENDS_PER_WINDOW,
              windowS: Math.ceil(OTP_SEND_WINDOW_MS / 1000),
            },
    });
  }

  /** @throws ProblemError 429 `otp_locked` where the day's wrong codes are used up. */
  async explainTry(subject: SubjectRef, row?: Row): Promise<void> {
    this.#throwIfLocked(await this.#usage(subject), { waitMs: 0, row });
  }

  #throwIfLocked({ wrongCodes, now }: Usage, others: Refused): void {
    const waitMs = freeInMs(wrongCodes, now, DAY_MS, this.config.OTP_WRONG_PER_DAY);
    if (waitMs <= 0) return;
    throw new ProblemError('otp_locked', {
      status: 429,
      detail: 'Too many wrong codes for this subject today.',
      retryAfterS: Math.ceil(Math.max(waitMs, others.waitMs) / 1000),
      // No try of this code is allowed, whatever it has left.
      extensions: others.row ? standing({ ...others.row, otpTriesLeft: 0 }) : {},
      rateLimit: {
        policy: 'otp-wrong-codes-day',
        quota: this.config.OTP_WRONG_PER_DAY,
        windowS: DAY_MS / 1000,
      },
    });
  }

  async #usage({ integration, subjectKey }: SubjectRef): Promise<Usage> {
    const text = `
      SELECT coalesce(b.sends, '{}') AS sends, coalesce(b.wrong_codes, '{}') AS "wrongCodes", clock_timestamp() AS now
      FROM (SELECT 1) one LEFT JOIN otp_budgets b ON b.integration = $1 AND b.subject_key = $2`;
    const [usage] = await this.store.query<Usage>(text, [integration, subjectKey]);
    return usage!;
  }
}

/** What a problem tells of its onboarding. */
export const standing = (row: Row) => ({ state: row.state, nextAction: nextActionOf(row) });

/** Milliseconds until fewer than `limit` instants lie within the window; 0 or less where that is so now. */
function freeInMs(instants: Date[], now: Date, windowMs: number, limit: number): number {
  const ages = instants.map((at) => now.getTime() - at.getTime()).filter((age) => age < windowMs);
  if (ages.length < limit) return 0;
  const blocking = ages.sort((a, b) => a - b)[limit - 1]!;
  return windowMs - blocking;
}

const since = (ms: number) => `clock_timestamp() - interval '${ms} milliseconds'`;
const within = (column: string, ms: number) =>
  `ARRAY(SELECT t FROM unnest(${column}) t WHERE t > ${since(ms)} ORDER BY t)`;
const countWithin = (column: string, ms: number) =>
  `(SELECT count(*) FROM unnest(${column}) t WHERE t > ${since(ms)})`;

/**
 * When fewer than `limit` instants lie within the window again; NULL where fewer than that are on record. With a
 * limit of 0 the one that is being added is what fills it.
 */
const freeAt = (column: string, limit: number, windowMs: number) =>
  limit > 0
    ? `(SELECT t FROM unnest(${column}) t ORDER BY t DESC OFFSET ${limit - 1} LIMIT 1) + interval '${windowMs} milliseconds'`
    : `clock_timestamp() + interval '${windowMs} milliseconds'`;

function refund(name: string, column: 'sends' | 'wrong_codes'): Clause {
  return {
    name,
    required: false,
    write: (_, row) => `
      UPDATE otp_budgets b SET ${column} = b.${column}[1:cardinality(b.${column}) - 1] FROM ${row} c
      WHERE b.integration = c.integration AND b.subject_key = c.subject_key RETURNING 1`,
  };
}
