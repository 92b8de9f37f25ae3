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
  /** The time when PostgreSQL could begin the first unanswered statement, by `performance.now()`. */
  sinceMs: number;
}

/**
 * Lets statements share connections. The statements are sent immediately. PostgreSQL runs them one after the
 * other, each in its own transaction. This saves CPU time: several statements need only one write to a
 * socket, and few backends are busy (docs/decisions/0006).
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
      return await new Promise<Row[]>((resolve, reject) => {
        const done: Done = (error, result) => (error ? reject(error) : resolve(result!.rows as Row[]));
        if (lane.collected.push({ statement, done }) === 1) setImmediate(() => send(lane));
      });
    } finally {
      this.#answered(lane);
    }
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

  #answered(lane: Lane): void {
    const nowMs = performance.now();
    if (lane.client) {
      // A statement that waited for a lock says little about the duration of others, so its time is limited.
      const tookMs = Math.min(nowMs - lane.sinceMs, PATIENCE_MS);
      this.#meanMs += (tookMs - this.#meanMs) / SAMPLES;
    }
    lane.sinceMs = nowMs;
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
      const since = performance.now() - answerWithinMs;
      for (const { client, sinceMs } of this.#lanes) if (sinceMs < since) client?.cut();
      if (this.#lanes.size > 0) return;
      clearInterval(this.#watch);
      this.#watch = undefined;
    }, CHECK_EVERY_MS).unref();
  }
}

/** Sends the statements of a turn of the event loop. */
function send(lane: Lane): void {
  const client = lane.client!;
  while (lane.collected.length > 0) {
    const parts = lane.collected.splice(0, MOST_TOGETHER);
    if (parts.length === 1) runAlone(client, parts[0]!);
    else
      client.runTogether(parts, (error) => {
        for (const part of parts) {
          // PostgreSQL may have carried out the transaction if the connection broke.
          if (client.isSpent) part.done(error);
          else runAlone(client, part);
        }
      });
  }
}

/** Turns off the driver's timeout, which would begin when the statement is sent: others may run first. */
function runAlone(client: PooledClient, { statement, done }: Part): void {
  client.query({ ...statement, query_timeout: 0 } as QueryConfig, done as never);
}
