import { Injectable } from '@nestjs/common';
import { PreparedStatements, type PreparedStatement } from '#libs/database';
import { inBatchesWithRests } from '#libs/kernel';
import { Log } from '#libs/platform';

export interface Who {
  /** `caller:<name>`, `operator:<name>`, `cli:<user of the machine>`, or `nobody`. */
  actor: string;
  address: string | null;
}

export interface AuditEvent extends Who {
  /** In the past tense, e.g. `api_key_created`. */
  action: string;
  /** The changed key, account or other object. */
  target: string | null;
  /** Without secrets and personal data, because the audit is kept for a long time. */
  data: Record<string, unknown>;
}

export interface KeptEvent extends AuditEvent {
  /** A number, as text. Later events have higher numbers. */
  id: string;
  at: Date;
}

const INSERT: PreparedStatement = {
  name: 'audit_event_insert',
  text: `INSERT INTO audit_events (actor, action, target, address, data) VALUES ($1, $2, $3, $4, $5)`,
};

const LATEST: PreparedStatement = {
  name: 'audit_events_latest',
  text: `SELECT id, at, actor, action, target, address, data FROM audit_events
    WHERE id < coalesce($2::bigint, 9223372036854775807) ORDER BY id DESC LIMIT $1`,
};

const FORGET_BATCH = 5_000;

/** The subquery reads the clock only once, so PostgreSQL can use the index on `at`. */
const FORGET: PreparedStatement = {
  name: 'audit_events_forget',
  text: `
    DELETE FROM audit_events WHERE id IN (
      SELECT id FROM audit_events
      WHERE at < (SELECT clock_timestamp()) - $1::float8 * interval '1 millisecond'
      ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING 1`,
};

/** Security events: a row in `audit_events` and a log line for each. */
@Injectable()
export class Audit {
  readonly #logger = new Log('Audit');

  constructor(private readonly statements: PreparedStatements) {}

  /** @throws Error if PostgreSQL is not available. The audited action must not happen then. */
  async record(event: AuditEvent): Promise<void> {
    await this.write(event);
    this.say(event);
  }

  /** For code that writes its own log line. */
  async write({ actor, action, target, address, data }: AuditEvent): Promise<void> {
    await this.statements.run(INSERT, [actor, action, target, address, JSON.stringify(data)]);
  }

  /**
   * Newest first.
   * @param before only events that are older than the event with this id
   */
  latest(limit: number, before: string | null = null): Promise<KeptEvent[]> {
    return this.statements.run(LATEST, [limit, before]);
  }

  /** @returns the number of deleted rows */
  forget(keptMs: number, stop?: AbortSignal): Promise<number> {
    return inBatchesWithRests(
      FORGET_BATCH,
      async (limit) => (await this.statements.run(FORGET, [keptMs, limit])).length,
      stop,
    );
  }

  /** Writes only the log line, for an event whose row another statement writes. */
  say(event: AuditEvent): void {
    this.#logger.info({ audit: event }, `audit: ${event.action} by ${event.actor}`);
  }
}
