import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CONFIG, type Config } from '#libs/platform';
import type { Clause } from './onboarding.store.js';
import { NOW, prepared } from './statement.js';

/** Which request a key stands for. */
export interface KeyedRequest {
  caller: string;
  /** Method and pattern of the path. */
  route: string;
  key: string;
  /** Keyed hash of the path and the body. */
  fingerprint: string;
  /** Tells this request from its repetitions: a UUID. */
  id: string;
}

/** An answer as it went out. */
export interface KeptAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export interface KeptKey {
  fingerprint: string;
  takenBy: string | null;
  onboardingId: string | null;
  /** Whether the first request may still be answering. */
  locked: boolean;
  answer: KeptAnswer | null;
}

/** A first request is given this much longer than it said that it would wait. */
const ANSWERING_MS = 5_000;
const DELETE_BATCH = 5_000;

/**
 * Remembers what was asked with an `Idempotency-Key`. The key is written by the very statement that carries out
 * what was asked, so that no crash can leave the one without the other; the answer follows when it is sent.
 */
@Injectable()
export class IdempotencyKeys {
  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Takes the key together with the change, or neither. */
  take(request: KeyedRequest, waitMs: number): Clause {
    const lockMs = waitMs + this.config.CALL_TIMEOUT_MS + ANSWERING_MS;
    return {
      name: 'key_taken',
      required: true,
      write: (b, row) => `
        INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, locked_until)
        SELECT ${b.bind(request.caller, 'text')}, ${b.bind(request.route, 'text')}, ${b.bind(request.key, 'text')},
          ${b.bind(request.fingerprint, 'text')}, ${b.bind(request.id, 'uuid')}, t.id,
          clock_timestamp() + ${b.bind(lockMs, 'float8')} * interval '1 millisecond'
        FROM ${row} t
        ON CONFLICT (caller, route, key) DO NOTHING
        RETURNING 1`,
    };
  }

  /**
   * Keeps the first answer, and no other: only who took the key may answer for it. A request that was refused has
   * taken none: what is refused today may be done tomorrow.
   */
  async answer(
    { caller, route, key, id }: KeyedRequest,
    { status, headers, body }: KeptAnswer,
  ): Promise<void> {
    const text = `
      UPDATE idempotency_keys SET status = $5, headers = $6, body = $7
      WHERE caller = $1 AND route = $2 AND key = $3 AND taken_by = $4 AND status IS NULL`;
    const values = [caller, route, key, id, status, JSON.stringify(headers), body];
    await this.statements.run(prepared(text), values);
  }

  async find({ caller, route, key }: KeyedRequest): Promise<KeptKey | null> {
    const text = `
      SELECT fingerprint, taken_by AS "takenBy", onboarding_id AS "onboardingId", coalesce(locked_until > clock_timestamp(), false) AS locked,
        CASE WHEN status IS NULL THEN NULL
          ELSE jsonb_build_object('status', status, 'headers', headers, 'body', body) END AS answer
      FROM idempotency_keys WHERE caller = $1 AND route = $2 AND key = $3`;
    const [kept] = await this.statements.run<KeptKey>(prepared(text), [caller, route, key]);
    return kept ?? null;
  }

  /** Gives back a key whose answer was lost and can be made again. */
  async release({ caller, route, key }: KeyedRequest): Promise<void> {
    const text = `DELETE FROM idempotency_keys WHERE caller = $1 AND route = $2 AND key = $3 AND status IS NULL`;
    await this.statements.run(prepared(text), [caller, route, key]);
  }

  /** Forgets keys whose time is over. @returns how many. */
  async forget(): Promise<number> {
    const text = `
      DELETE FROM idempotency_keys WHERE (caller, route, key) IN (
        SELECT caller, route, key FROM idempotency_keys
        WHERE created_at < ${NOW} - $1::float8 * interval '1 millisecond'
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
      ) RETURNING 1`;
    for (let forgotten = 0; ;) {
      const rows = await this.statements.run(prepared(text), [this.config.IDEMPOTENCY_KEEP_MS, DELETE_BATCH]);
      forgotten += rows.length;
      if (rows.length < DELETE_BATCH) return forgotten;
    }
  }
}
