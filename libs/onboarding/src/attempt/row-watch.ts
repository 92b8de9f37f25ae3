import { Inject, Injectable } from '@nestjs/common';
import { isDatabaseAway } from '#libs/database';
import { CONFIG, Health, Log, errorOf, outsideRequests, type Config } from '#libs/platform';
import type { Row } from '../flow/row.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { WITH_NEW_EVENTS } from '../store/statements/reads.js';

/** How many requests of a caller may wait in one process. Further requests get the known row immediately. */
const WAITS_PER_CALLER = 500;

interface Wait {
  row: Row;
  end(row: Row | null): void;
}

/**
 * Tells waiting requests when their onboardings change. One statement every `EVENTS_POLL_MS` serves all
 * requests that wait in this process.
 */
@Injectable()
export class RowWatch {
  readonly #logger = new Log('RowWatch');
  readonly #waits = new Set<Wait>();
  #timer: NodeJS.Timeout | null = null;
  #isAsking = false;

  constructor(
    private readonly store: OnboardingStore,
    private readonly health: Health,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  hasRoomFor(caller: string): boolean {
    return [...this.#waits].filter(({ row }) => row.caller === caller).length < WAITS_PER_CALLER;
  }

  /** @returns the row after its next event; null if none comes within `ms`, or if the process stops. */
  next(row: Row, ms: number): Promise<Row | null> {
    return new Promise((resolve) => {
      const late = setTimeout(() => wait.end(null), ms);
      const wait: Wait = {
        row,
        end: (fresh) => {
          clearTimeout(late);
          this.#waits.delete(wait);
          if (this.#waits.size === 0 && this.#timer) {
            clearInterval(this.#timer);
            this.#timer = null;
          }
          resolve(fresh);
        },
      };
      this.#waits.add(wait);
      this.#timer ??= outsideRequests(() => setInterval(() => void this.#ask(), this.config.EVENTS_POLL_MS));
    });
  }

  /** Ignores an outage of PostgreSQL, because the next statement follows soon. */
  async #ask(): Promise<void> {
    const waits = [...this.#waits];
    if (this.health.closed) for (const wait of waits) wait.end(null);
    if (this.#isAsking || this.#waits.size === 0) return;
    this.#isAsking = true;
    try {
      const rows = await this.store.rows(WITH_NEW_EVENTS, {
        ids: waits.map(({ row }) => row.id),
        seqs: waits.map(({ row }) => row.lastSeq),
      });
      const fresh = new Map(rows.map((row) => [row.id, row]));
      for (const wait of waits) {
        const row = fresh.get(wait.row.id);
        if (row && row.lastSeq > wait.row.lastSeq && this.#waits.has(wait)) wait.end(row);
      }
    } catch (error) {
      if (!isDatabaseAway(error))
        this.#logger.error({ err: errorOf(error) }, 'waiting requests are not told of changes');
    } finally {
      this.#isAsking = false;
    }
  }
}
