import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements, prepared } from '#libs/database';
import { PROCESS_NAME } from '#libs/platform';
import { COUNT_SLICE, EXPIRY_LAG } from '../store/statements/counts.js';
import { PARTS, merged, type Group, type Part } from './groups.js';

/** The most rows of a state that one statement reads. */
const SLICE = 5_000;
/** The most rows that are read to find out how late the expiry is. */
const DUE = 10_000;
/** How often a part (`steps` or `idle`) with few rows is counted. */
const EVERY_MS = 3_000;
/** The pause after a statement, as a multiple of its duration, so that counting takes 2 % of the time. */
const REST = 50;
const LONGEST_REST_MS = 30_000;
/** If the counting process is silent for this time, another one may count. */
const HELD_MS = 2 * LONGEST_REST_MS;
const LOWEST = '00000000-0000-0000-0000-000000000000';

/**
 * Returns a row if this process may count the part. Stores the duration of a count that already takes longer
 * than the last one, so that the older counts stay visible for longer.
 */
const HOLD = `
  INSERT INTO onboarding_counts AS c (part, process, next_at)
  VALUES ($1::text, $2::text, clock_timestamp() + $3::float8 * interval '1 millisecond')
  ON CONFLICT (part) DO UPDATE SET process = excluded.process, next_at = excluded.next_at,
    took_ms = greatest(c.took_ms, $4::float8)
  WHERE c.process = excluded.process OR c.next_at <= clock_timestamp()
  RETURNING 1`;

const WRITE = `
  UPDATE onboarding_counts SET process = NULL, counted_at = clock_timestamp(), took_ms = $3::float8,
    counts = $4::jsonb, next_at = clock_timestamp() + $5::float8 * interval '1 millisecond'
  WHERE part = $1::text AND process = $2::text`;

const GIVE_UP = `
  UPDATE onboarding_counts SET process = NULL,
    next_at = clock_timestamp() + $3::float8 * interval '1 millisecond'
  WHERE part = $1::text AND process = $2::text`;

/** Times and ages are on PostgreSQL's clock, in milliseconds. */
const READ = `
  SELECT part, counts, took_ms AS "tookMs",
    extract(epoch FROM counted_at)::float8 * 1000 AS "countedAt",
    extract(epoch FROM clock_timestamp() - counted_at)::float8 * 1000 AS "ageMs",
    next_at <= clock_timestamp() AS "isDue"
  FROM onboarding_counts`;

export interface Counts {
  groups: Group[];
  /** How late the most overdue deadline is whose effect is not yet written. Always 0 in the part `idle`. */
  expiryLagMs: number;
}

export interface CountedPart {
  part: Part;
  /** Null if the part was never counted, like `countedAt` and `ageMs`. */
  counts: Counts | null;
  /** How long the statements of the last or the running count took, whichever took longer. */
  tookMs: number | null;
  countedAt: number | null;
  ageMs: number | null;
  isDue: boolean;
}

interface Row {
  group: Group;
  lastId: string;
  tookMs: number;
}

/** A place in the index. The rows after it are counted next. */
interface Place {
  state: string;
  key: string;
  id: string;
}

/**
 * One process at a time counts a part, in statements that read few rows, with long pauses after slow ones, so
 * that counting never loads PostgreSQL much (docs/decisions/0035).
 */
@Injectable()
export class OnboardingCounter {
  constructor(
    private readonly statements: PreparedStatements,
    @Inject(PROCESS_NAME) private readonly process: string,
  ) {}

  async read(): Promise<CountedPart[]> {
    return this.statements.run(prepared(READ), []);
  }

  /** Does nothing if another process counts the part, or has just counted it. */
  async count(part: Part, stopped: AbortSignal): Promise<void> {
    if (!(await this.#hold(part, 0))) return;
    let restMs = EVERY_MS;
    try {
      const lag = part === 'steps' ? await this.#expiryLag() : { lagMs: 0, tookMs: 0 };
      let tookMs = lag.tookMs;
      let groups: Group[] = [];
      for (let places = PARTS[part].map((state): Place => ({ state, key: `${state}/`, id: LOWEST })); ;) {
        const slice = await this.#slice(places);
        groups = merged([...groups, ...slice.groups]);
        tookMs += slice.tookMs;
        restMs = Math.min(REST * slice.tookMs, LONGEST_REST_MS);
        places = slice.next;
        if (places.length === 0) break;
        // The pause is shorter than HELD_MS, so no other process counts the part in the meantime.
        if (!(await this.#hold(part, tookMs))) return;
        await pause(restMs, undefined, { signal: stopped, ref: false });
      }
      const counts: Counts = { groups, expiryLagMs: lag.lagMs };
      await this.statements.run(prepared(WRITE), [
        part,
        this.process,
        tookMs,
        JSON.stringify(counts),
        Math.max(restMs, EVERY_MS),
      ]);
    } catch (error) {
      await this.statements.run(prepared(GIVE_UP), [part, this.process, EVERY_MS]).catch(() => undefined);
      if (!stopped.aborted) throw error;
    }
  }

  async #hold(part: Part, tookMs: number): Promise<boolean> {
    return (await this.statements.run(prepared(HOLD), [part, this.process, HELD_MS, tookMs])).length > 0;
  }

  async #slice(from: Place[]): Promise<{ groups: Group[]; next: Place[]; tookMs: number }> {
    const rows = await this.statements.run<Row>(COUNT_SLICE, COUNT_SLICE.bind({ from, limit: SLICE }));
    const next = from.flatMap(({ state }) => {
      const ofState = rows.filter(({ group }) => group.state === state);
      if (ofState.reduce((sum, { group }) => sum + group.count, 0) < SLICE) return [];
      const last = ofState.reduce((one, other) => (placeOf(one) > placeOf(other) ? one : other));
      return [{ state, key: `${state}/${last.group.integration}`, id: last.lastId }];
    });
    return {
      groups: rows.map(({ group }) => group),
      next,
      tookMs: Math.max(0, ...rows.map(({ tookMs }) => tookMs)),
    };
  }

  async #expiryLag(): Promise<{ lagMs: number; tookMs: number }> {
    const [row] = await this.statements.run<{ lagMs: number | null; tookMs: number }>(
      EXPIRY_LAG,
      EXPIRY_LAG.bind({ limit: DUE }),
    );
    return { lagMs: row!.lagMs ?? 0, tookMs: row!.tookMs };
  }
}

const placeOf = ({ group, lastId }: Row) => `${group.integration} ${lastId}`;
