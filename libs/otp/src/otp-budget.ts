import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { ProblemError } from '#libs/kernel';
import {
  OnboardingStore,
  Retention,
  stateAndNextAction,
  statement,
  type Row,
  type SubjectRef,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';

const DAY_MS = 86_400_000;

const USAGE = statement(
  'budget_usage',
  `SELECT coalesce(b.sends, '{}') AS sends, coalesce(b.wrong_codes, '{}') AS "wrongCodes",
    clock_timestamp() AS now
  FROM (SELECT 1) one
  LEFT JOIN otp_budgets b ON b.integration = $integration::text AND b.subject_key = $subjectKey::text`,
);

interface Usage {
  sends: Date[];
  wrongCodes: Date[];
  now: Date;
}

/**
 * `waitMs`: how long the command must wait for other reasons than the budget. `row`: its onboarding, if any.
 */
interface Refused {
  waitMs: number;
  row?: Row | undefined;
}

/**
 * Limits how many codes a subject gets, and how many wrong codes it may type. The statements that begin an
 * attempt check and write the budget, so concurrent requests cannot exceed it. This class explains refusals.
 */
@Injectable()
export class OtpBudget implements OnModuleInit {
  constructor(
    private readonly store: OnboardingStore,
    private readonly retention: Retention,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.retention.register('otpBudgets', (stop) => this.store.forgetBudgets(stop));
  }

  /**
   * @throws ProblemError if no more codes may be sent now. Its `Retry-After` covers all limits and `waitMs`.
   */
  async mustHaveSend(subject: SubjectRef, { waitMs: othersMs, row }: Refused): Promise<void> {
    const usage = await this.#usage(subject);
    const { OTP_SENDS_PER_DAY, OTP_SENDS_PER_WINDOW, OTP_SEND_WINDOW_MS } = this.config;
    const dayMs = freeInMs(usage.sends, usage.now, DAY_MS, OTP_SENDS_PER_DAY);
    const windowMs = freeInMs(usage.sends, usage.now, OTP_SEND_WINDOW_MS, OTP_SENDS_PER_WINDOW);
    const waitMs = Math.max(dayMs, windowMs);
    const longestMs = Math.max(waitMs, othersMs);
    this.#throwIfLocked(usage, { waitMs: longestMs, row });
    if (waitMs <= 0) return;
    throw new ProblemError('otp_send_limit', {
      detail: 'The subject has reached its limit of codes for now. Wait as long as Retry-After says.',
      retryAfterS: Math.ceil(longestMs / 1000),
      extensions: row ? stateAndNextAction(row) : {},
      limit: 'otp_send',
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

  /** @throws ProblemError 429 `otp_locked` if the day's wrong codes are used up. */
  async mustHaveTry(subject: SubjectRef, row?: Row): Promise<void> {
    this.#throwIfLocked(await this.#usage(subject), { waitMs: 0, row });
  }

  #throwIfLocked({ wrongCodes, now }: Usage, others: Refused): void {
    const waitMs = freeInMs(wrongCodes, now, DAY_MS, this.config.OTP_WRONG_PER_DAY);
    if (waitMs <= 0) return;
    throw new ProblemError('otp_locked', {
      status: 429,
      detail: 'Too many wrong codes for this subject in the last 24 hours.',
      limit: 'otp_tries',
      retryAfterS: Math.ceil(Math.max(waitMs, others.waitMs) / 1000),
      // The day's limit forbids further tries of this code too.
      extensions: others.row ? stateAndNextAction({ ...others.row, otpTriesLeft: 0 }) : {},
      rateLimit: {
        policy: 'otp-wrong-codes-day',
        quota: this.config.OTP_WRONG_PER_DAY,
        windowS: DAY_MS / 1000,
      },
    });
  }

  async #usage({ integration, subjectKey }: SubjectRef): Promise<Usage> {
    const [usage] = await this.store.run<Usage>(USAGE, { integration, subjectKey });
    return usage!;
  }
}

/**
 * Looks only at the `limit`th entry from the end, as the SQL in store/budget.ts does. Therefore the two agree
 * even if PostgreSQL's clock was set back.
 */
function freeInMs(instants: Date[], now: Date, windowMs: number, limit: number): number {
  const blocking = instants.at(-limit);
  return blocking ? Math.max(0, blocking.getTime() + windowMs - now.getTime()) : 0;
}
