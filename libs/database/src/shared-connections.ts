import type { PoolClient, QueryConfig } from 'pg';
import type { DatabaseClient } from './database-client.js';
import type { Done, Part } from './named-query.js';

export type PooledClient = PoolClient &
  Pick<DatabaseClient, 'backendPid' | 'isSpent' | 'cut' | 'runTogether'>;

/**
 * A statement uses a connection together with other statements only if it will probably wait less than this
 * for them.
 */
const PATIENCE_MS = 10;
/** The mean duration of a statement is computed over about this many recent statements. */
const SAMPLES = 32;

const CHECK_EVERY_MS = 500;
export interface SharedTerms {
  take: () => Promise<PooledClient>;
  /** Runs a statement on a connection that it does not share. */
  runApart: (statement: QueryConfig) => Promise<unknown[]>;
  /** Whether a connection may get one more statement. */
  isUsable: (client: PooledClient) => boolean;
  /** A connection is closed if it gives no answer for this time. */
  answerWithinMs: number | undefined;
}

/** A transaction has at most this many statements, because each waits for the commit of all. */
const MOST_TOGETHER = 16;

/** A connection that statements use now. */
interface Lane {
  taken: Promise<PooledClient>;
  client?: PooledClient;
  /** The statements of this turn of the event loop. */
  collected: Part[];
  /** How many statements have no answer yet. */
  unanswered: number;
  /** How many statements each unanswered transaction has, in the order in which PostgreSQL runs them. */
  transactions: number[];
  /** The time when PostgreSQL could begin the first unanswered statement, by `performance.now()`. */
  sinceMs: number;
}

/**
 * Lets statements share connections and transactions. The statements of one turn of the event loop are one
 * write to a socket and one transaction. This saves CPU time, because they need one commit, and few backends
 * are busy (docs/decisions/0006). If one fails, it runs again on another connection, and the others run again
 * without it.
 *
 * If a statement would wait long, e.g. for a lock or a slow disk, it takes another connection of the pool.
 */
export class SharedConnections {
  readonly #lanes = new Set<Lane>();
  readonly #terms: SharedTerms;
  #meanMs = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(terms: SharedTerms) {
    this.#terms = terms;
  }

  /** Runs one statement, which must not begin a transaction. */
  async run<Row>(statement: QueryConfig): Promise<Row[]> {
    const lane = this.#findLane() ?? this.#openLane();
    lane.unanswered += 1;
    try {
      if (!lane.client) await lane.taken;
      return (await this.#answerTo(statement, lane)) as Row[];
    } catch (error) {
      if (!(error instanceof NotTogether)) throw error;
    } finally {
      this.#answered(lane);
    }
    return (await this.#terms.runApart(statement)) as Row[];
  }

  #answerTo(statement: QueryConfig, lane: Lane): Promise<unknown[]> {
    return new Promise((resolve, reject) => {
      const done: Done = (error, result) => (error ? reject(error) : resolve(result!.rows));
      if (lane.collected.push({ statement, done }) === 1) setImmediate(() => this.#send(lane));
    });
  }

  #findLane(): Lane | undefined {
    const nowMs = performance.now();
    let found: Lane | undefined;
    let shortestMs = PATIENCE_MS;
    for (const lane of this.#lanes) {
      if (lane.client && !this.#terms.isUsable(lane.client)) continue;
      const waitMs = nowMs - lane.sinceMs + lane.unanswered * this.#meanMs;
      if (waitMs >= shortestMs) continue;
      found = lane;
      shortestMs = waitMs;
    }
    return found;
  }

  #openLane(): Lane {
    const lane: Lane = {
      taken: this.#terms.take(),
      collected: [],
      unanswered: 0,
      transactions: [],
      sinceMs: performance.now(),
    };
    this.#lanes.add(lane);
    this.#keepWatch();
    lane.taken.then(
      (client) => {
        lane.client = client;
        lane.sinceMs = performance.now();
      },
      () => this.#lanes.delete(lane),
    );
    return lane;
  }

  /** Sends the statements that one turn of the event loop has collected. */
  #send(lane: Lane): void {
    while (lane.collected.length > 0) {
      const parts = lane.collected.splice(0, MOST_TOGETHER);
      if (parts.length === 1) this.#runAlone(lane, parts[0]!);
      else this.#runTogether(lane, parts);
    }
  }

  #runTogether(lane: Lane, parts: Part[]): void {
    const client = lane.client!;
    lane.transactions.push(parts.length);
    client.runTogether(parts, ({ error, failed }) => {
      this.#ended(lane);
      if (!error) return;
      // If the connection broke, PostgreSQL may have carried out the transaction.
      if (client.isSpent) return parts.forEach(({ done }) => done(error));
      failed?.done(new NotTogether());
      lane.collected.push(...parts.filter((part) => part !== failed));
      if (!failed) for (const part of lane.collected.splice(0)) this.#runAlone(lane, part);
      this.#send(lane);
    });
  }

  #runAlone(lane: Lane, { statement, done }: Part): void {
    lane.transactions.push(1);
    // The driver's timeout would begin when the statement is sent. But others may run first.
    const config = { ...statement, query_timeout: 0 } as QueryConfig;
    lane.client!.query(config, (error, result) => {
      this.#ended(lane);
      done(error, result);
    });
  }

  /** Notes the end of the lane's first transaction. */
  #ended(lane: Lane): void {
    const nowMs = performance.now();
    const size = lane.transactions.shift()!;
    // The time of a statement that waited for a lock says little about other statements.
    const tookMs = Math.min(nowMs - lane.sinceMs, PATIENCE_MS);
    this.#meanMs += (tookMs - size * this.#meanMs) / SAMPLES;
    lane.sinceMs = nowMs;
  }

  #answered(lane: Lane): void {
    lane.unanswered -= 1;
    if (lane.unanswered > 0) return;
    this.#lanes.delete(lane);
    lane.client?.release();
  }

  /** Closes connections whose first statement gets no answer, because PostgreSQL or the network is down. */
  #keepWatch(): void {
    const { answerWithinMs } = this.#terms;
    if (answerWithinMs === undefined || this.#watch) return;
    this.#watch = setInterval(() => {
      const nowMs = performance.now();
      for (const { client, sinceMs, transactions } of this.#lanes) {
        // Each statement of a transaction may take its time.
        if (sinceMs + answerWithinMs * (transactions[0] ?? 1) < nowMs) client?.cut();
      }
      if (this.#lanes.size > 0) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
    }, CHECK_EVERY_MS).unref();
  }
}

/** The statement has made the transaction of several statements fail. It may wait for a lock. */
class NotTogether extends Error {}
