import { Injectable, Logger } from '@nestjs/common';
import { PreparedStatements, type PreparedStatement } from '#libs/database';

/** Who did it, and from where. */
export interface Who {
  /** `caller:<name>`, `operator:<name>`, `cli:<user of the machine>`, or `nobody`. */
  actor: string;
  /** The client's address, where there is one. */
  address: string | null;
}

export interface AuditEvent extends Who {
  /** In the past tense, e.g. `api_key_created`. */
  action: string;
  /** What it was done to. */
  target: string | null;
  /** No secret, and no personal data: it is kept for long. */
  data: Record<string, unknown>;
}

const INSERT: PreparedStatement = {
  name: 'audit_event_insert',
  text: `INSERT INTO audit_events (actor, action, target, address, data) VALUES ($1, $2, $3, $4, $5)`,
};

const LATEST: PreparedStatement = {
  name: 'audit_events_latest',
  text: `SELECT at, actor, action, target, address, data FROM audit_events ORDER BY id DESC LIMIT $1`,
};

const FORGET_BATCH = 5_000;

/** One instant for the whole statement, by which the index on `at` can look. */
const FORGET: PreparedStatement = {
  name: 'audit_events_forget',
  text: `
    DELETE FROM audit_events WHERE id IN (
      SELECT id FROM audit_events WHERE at < (SELECT clock_timestamp()) - $1::float8 * interval '1 millisecond'
      ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
    ) RETURNING 1`,
};

/** What somebody may one day have to answer for: a row in `audit_events`, and a line in the log. */
@Injectable()
export class Audit {
  readonly #logger = new Logger(Audit.name);

  constructor(private readonly statements: PreparedStatements) {}

  /** Writes both. @throws where PostgreSQL is away: what must not happen unseen waits for this. */
  async record(event: AuditEvent): Promise<void> {
    await this.write(event);
    this.say(event);
  }

  /** Writes the row alone, for who has its own words in the log. */
  async write({ actor, action, target, address, data }: AuditEvent): Promise<void> {
    await this.statements.run(INSERT, [actor, action, target, address, JSON.stringify(data)]);
  }

  /** What was put on record last, newest first. */
  latest(limit: number): Promise<(AuditEvent & { at: Date })[]> {
    return this.statements.run(LATEST, [limit]);
  }

  /** Deletes the rows that are older, in batches. @returns how many. */
  async forget(keptMs: number): Promise<number> {
    for (let forgotten = 0; ;) {
      const rows = await this.statements.run(FORGET, [keptMs, FORGET_BATCH]);
      forgotten += rows.length;
      if (rows.length < FORGET_BATCH) return forgotten;
    }
  }

  /** Writes the line alone, for an event whose row is part of another statement. */
  say(event: AuditEvent): void {
    this.#logger.log({ audit: event }, `audit: ${event.action} by ${event.actor}`);
  }
}
