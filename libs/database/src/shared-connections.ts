import type { PoolClient, QueryConfig } from 'pg';
import type { DatabaseClient } from './database-client.js';
import { isLockOrTimeout, mayHaveCommitted } from './database-fault.js';
import { BRIEF_LOCKS, type Done, type Part } from './named-query.js';

export type PooledClient = PoolClient &
  Pick<DatabaseClient, 'backendPid' | 'isUnusable' | 'cut' | 'knows' | 'runTogether'>;

/** A statement joins others on a connection only if it will probably wait less than this time. */
const PATIENCE_MS = 60;
/** The mean duration covers about this many recent statements. */
const SAMPLES = 32;

const CHECK_EVERY_MS = 500;
export interface SharedTerms {
  take: () => Promise<PooledClient>;
  /** Runs a statement on a connection of its own. */
  runApart: (statement: QueryConfig) => Promise<unknown[]>;
  isUsable: (client: PooledClient) => boolean;
  /** A connection without an answer for this time is closed. */
  answerWithinMs: number | undefined;
}

/** Limits the statements of a transaction, because each waits for the commit of all. */
const MOST_TOGETHER = 32;

/** A connection that statements use now. */
interface Lane {
  taken: Promise<PooledClient>;
  client?: PooledClient;
  /** The statements of this turn of the event loop. */
  collected: Part[];
  unanswered: number;
  /** Unanswered transactions, in the order in which PostgreSQL runs them. */
  transactions: Set<Part[]>;
  /** When PostgreSQL could begin the first unanswered statement, by `performance.now()`. */
  sinceMs: number;
}

/**
 * The statements of one turn of the event loop are one write to a socket and one transaction, which saves CPU
 * time (docs/decisions/0006). If one fails, each runs again in its own transaction. A statement that would
 * wait long takes another connection.
 */
export class SharedConnections {
  readonly #lanes = new Set<Lane>();
  readonly #terms: SharedTerms;
  #meanMs = 0;
  #watch: NodeJS.Timeout | undefined;

  constructor(terms: SharedTerms) {
    this.#terms = terms;
  }

  /** @param statement must not begin a transaction. */
  async run<Row>(statement: QueryConfig): Promise<Row[]> {
    const lane = this.#findLane() ?? this.#openLane();
    lane.unanswered += 1;
    try {
      if (!lane.client) await lane.taken;
      return (await this.#answerTo(statement, lane)) as Row[];
    } catch (error) {
      if (!(error instanceof NotTogether)) {
        Error.captureStackTrace(error as Error); // else the stack shows the socket, not the caller
        throw error;
      }
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
      transactions: new Set(),
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

  #send(lane: Lane): void {
    const client = lane.client!;
    const known: Part[] = [];
    for (const part of lane.collected.splice(0)) {
      if (client.knows(part.statement)) known.push(part);
      else this.#runAlone(lane, part);
    }
    const canJoin = client.knows(BRIEF_LOCKS);
    if (known.length > 1 && !canJoin) this.#runAlone(lane, { statement: BRIEF_LOCKS, done: () => undefined });
    while (known.length > 1 && canJoin) this.#runTogether(lane, known.splice(0, MOST_TOGETHER));
    for (const part of known) this.#runAlone(lane, part);
  }

  #runTogether(lane: Lane, parts: Part[]): void {
    const client = lane.client!;
    lane.transactions.add(parts);
    client.runTogether(parts, (error, isSent) => {
      this.#ended(lane, parts);
      if (!error) return;
      for (const part of parts) {
        // PostgreSQL may have carried out the statement, so it is not repeated.
        if (isSent && mayHaveCommitted(error)) part.done(error);
        else if (isLockOrTimeout(error) || client.isUnusable) part.done(new NotTogether());
        else this.#runAlone(lane, part);
      }
    });
  }

  #runAlone(lane: Lane, part: Part): void {
    const transaction = [part];
    lane.transactions.add(transaction);
    // The driver's timeout would include the time in which other statements run first.
    const config = { ...part.statement, query_timeout: 0 } as QueryConfig;
    lane.client!.query(config, (error, result) => {
      this.#ended(lane, transaction);
      part.done(error, result);
    });
  }

  #ended(lane: Lane, transaction: Part[]): void {
    lane.transactions.delete(transaction);
    const nowMs = performance.now();
    // A statement that waited for a lock says little about other statements.
    const tookMs = Math.min(nowMs - lane.sinceMs, PATIENCE_MS);
    this.#meanMs += (tookMs - transaction.length * this.#meanMs) / SAMPLES;
    lane.sinceMs = nowMs;
  }

  #answered(lane: Lane): void {
    lane.unanswered -= 1;
    if (lane.unanswered > 0) return;
    this.#lanes.delete(lane);
    lane.client?.release();
  }

  /** Closes connections that give no answer in time. */
  #keepWatch(): void {
    const { answerWithinMs } = this.#terms;
    if (answerWithinMs === undefined || this.#watch) return;
    this.#watch = setInterval(() => {
      const nowMs = performance.now();
      for (const { client, sinceMs, transactions } of this.#lanes) {
        // Several statements may take longer, but a dead connection must be noticed soon.
        const [first = []] = transactions;
        const factor = first.length > 1 ? 2 : 1;
        if (sinceMs + factor * answerWithinMs < nowMs) client?.cut();
      }
      if (this.#lanes.size > 0) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
    }, CHECK_EVERY_MS).unref();
  }
}

/** The transaction was rolled back, so the statement must run again. */
class NotTogether extends Error {}
