import { Inject, Injectable } from '@nestjs/common';
import { inBatches } from '#libs/kernel';
import { CONFIG, Log, type Config } from '#libs/platform';
import { movesOfTime } from '../flow/move.js';
import { signalOfTime, type Row } from '../flow/row.js';
import { SEALED, type Signal } from '../flow/table.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { DUE, EXPIRE, PUSH_BACK } from '../store/statements/expire.js';
import { WAIT_FOR_WRITERS } from '../store/statements/reads.js';
import { writtenColumns } from '../store/read-row.js';
import { logOutcomeLost } from '../attempt/step-log.js';

/** How long the expiry skips a row whose next state it could not compute. */
const PUSH_BACK_MS = 60_000;

export interface ExpiryCounts {
  codes: number;
  sessions: number;
  onboardings: number;
  outcomesLost: number;
}

const COUNTED = {
  otp_expired: 'codes',
  session_expired: 'sessions',
  expired: 'onboardings',
  outcome_lost: 'outcomesLost',
} as const satisfies Partial<Record<Signal, keyof ExpiryCounts>>;

interface Timed {
  seen: Row;
  moves: ReturnType<typeof movesOfTime>;
}

/**
 * Expires codes, sessions and onboardings. Several workers may run this at once: each skips rows that another
 * worker has locked or written.
 */
@Injectable()
export class Expiry {
  readonly #logger = new Log('Expiry');

  constructor(
    private readonly store: OnboardingStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async run(): Promise<ExpiryCounts> {
    const counts: ExpiryCounts = { codes: 0, sessions: 0, onboardings: 0, outcomesLost: 0 };
    await inBatches(this.config.EXPIRY_BATCH, async (limit) => {
      const due = await this.store.rows(DUE, { limit });
      for (const { moves } of await this.#write(due)) {
        for (const { signal } of moves) counts[COUNTED[signal as keyof typeof COUNTED]] += 1;
      }
      return due.length;
    });
    return counts;
  }

  /** For a write that cannot wait for the next batch. */
  async runFor(id: string): Promise<void> {
    // Another worker's batch may have locked the row.
    await this.store.run(WAIT_FOR_WRITERS, { id });
    const row = await this.store.find(id);
    if (row) await this.#write([row]);
  }

  /**
   * Expires one onboarding before a write: callers may have read the effect of a passed deadline, and must
   * not see another state with the same version.
   *
   * @returns the row, read again if a deadline had passed; null if it is gone.
   */
  async upToDate(row: Row): Promise<Row | null> {
    if (signalOfTime(row) === null) return row;
    await this.runFor(row.id);
    return this.store.find(row.id);
  }

  async #write(rows: Row[]): Promise<Timed[]> {
    const timed = (await this.#timed(rows)).filter(({ moves }) => moves.length > 0);
    if (timed.length === 0) return [];
    const written = await this.store.run<{ id: string }>(EXPIRE, { rows: timed.map(asWritten) });
    const ids = new Set(written.map(({ id }) => id));
    const moved = timed.filter(({ seen }) => ids.has(seen.id));
    for (const each of moved) tellOfLost(each);
    return moved;
  }

  /** Delays rows whose new state cannot be computed, because they would block the rows behind them. */
  async #timed(rows: Row[]): Promise<Timed[]> {
    const broken: string[] = [];
    const timed = rows.flatMap((seen): Timed[] => {
      try {
        return [{ seen, moves: movesOfTime(seen) }];
      } catch (error) {
        const about = { onboardingId: seen.id, integration: seen.integration };
        this.#logger.error(about, `an onboarding cannot expire: ${(error as Error).message}`);
        broken.push(seen.id);
        return [];
      }
    });
    if (broken.length > 0) await this.store.run(PUSH_BACK, { ids: broken, waitMs: PUSH_BACK_MS });
    return timed;
  }
}

function asWritten({ seen, moves }: Timed) {
  const to = moves.at(-1)!.to;
  return {
    ...writtenColumns(to),
    seen_version: seen.version,
    seen_seq: seen.lastSeq,
    keeps: SEALED.filter((field) => to[field] !== null),
    events: moves.flatMap(({ moved }) => moved.events),
  };
}

function tellOfLost({ seen, moves }: Timed): void {
  if (!moves.some(({ signal }) => signal === 'outcome_lost')) return;
  const { id: onboardingId, integration, step, unresolved } = seen;
  const attempt = seen.doubtAttempt ?? seen.attempt;
  const open = unresolved.find((each) => each.attempt === attempt);
  logOutcomeLost({ onboardingId, integration, step, attempt }, 'out_of_time', open?.evidence);
}
