import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CONFIG, Sealer, type Config } from '#libs/platform';
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
  /** Whether the onboarding was erased, and the answer with it. */
  erased: boolean;
}

/** A first request is given this much longer than it said that it would wait. */
const ANSWERING_MS = 5_000;
const DELETE_BATCH = 5_000;
const SEAL_BATCH = 200;

/**
 * Remembers what was asked with an `Idempotency-Key`. The key is written by the very statement that carries out
 * what was asked, so that no crash can leave the one without the other; the answer follows when it is sent.
 */
@Injectable()
export class IdempotencyKeys {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly sealer: Sealer,
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
   * taken none: what is refused today may be done tomorrow. Sealed by the ring itself, as the row and its key are out
   * of reach by now; nobody has taken a key any more whose onboarding was erased.
   */
  async answer({ caller, route, key, id }: KeyedRequest, answer: KeptAnswer): Promise<void> {
    const text = `
      UPDATE idempotency_keys SET sealed_answer = $5
      WHERE caller = $1 AND route = $2 AND key = $3 AND taken_by = $4 AND status IS NULL AND sealed_answer IS NULL`;
    const sealed = this.sealer.seal(placeOf({ caller, route, key, id }), JSON.stringify(answer));
    await this.statements.run(prepared(text), [caller, route, key, id, sealed]);
  }

  async find({ caller, route, key }: KeyedRequest): Promise<KeptKey | null> {
    const text = `
      SELECT fingerprint, taken_by AS "takenBy", onboarding_id AS "onboardingId", coalesce(locked_until > clock_timestamp(), false) AS locked,
        CASE WHEN status IS NULL THEN NULL
          ELSE jsonb_build_object('status', status, 'headers', headers, 'body', body) END AS answer,
        sealed_answer AS "sealedAnswer", fingerprint = '' AS erased
      FROM idempotency_keys WHERE caller = $1 AND route = $2 AND key = $3`;
    const [found] = await this.statements.run<KeptKey & { sealedAnswer: Buffer | null }>(prepared(text), [
      caller,
      route,
      key,
    ]);
    if (!found) return null;
    const { sealedAnswer, ...kept } = found;
    // The version before kept answers open; they are gone after IDEMPOTENCY_KEEP_MS.
    if (sealedAnswer === null || kept.takenBy === null) return kept;
    const opened = this.sealer.open(placeOf({ caller, route, key, id: kept.takenBy }), sealedAnswer);
    return { ...kept, answer: JSON.parse(opened) as KeptAnswer };
  }

  /** Gives back a key whose answer was lost and can be made again. */
  async release({ caller, route, key }: KeyedRequest): Promise<void> {
    const text = `DELETE FROM idempotency_keys WHERE caller = $1 AND route = $2 AND key = $3
      AND status IS NULL AND sealed_answer IS NULL`;
    await this.statements.run(prepared(text), [caller, route, key]);
  }

  /** Seals the answers that the version before kept open. @returns how many. */
  async sealClear(): Promise<number> {
    const find = `
      SELECT caller, route, key, taken_by AS id, status, headers, body FROM idempotency_keys
      WHERE body IS NOT NULL AND taken_by IS NOT NULL ORDER BY created_at LIMIT $1`;
    const seal = `
      UPDATE idempotency_keys SET sealed_answer = $5, status = NULL, headers = NULL, body = NULL
      WHERE caller = $1 AND route = $2 AND key = $3 AND taken_by = $4 AND body IS NOT NULL RETURNING 1`;
    for (let sealed = 0; ;) {
      const rows = await this.statements.run<KeyedRequest & KeptAnswer>(prepared(find), [SEAL_BATCH]);
      for (const { caller, route, key, id, status, headers, body } of rows) {
        const answer = this.sealer.seal(
          placeOf({ caller, route, key, id }),
          JSON.stringify({ status, headers, body }),
        );
        sealed += (await this.statements.run(prepared(seal), [caller, route, key, id, answer])).length;
      }
      if (rows.length < SEAL_BATCH) return sealed;
    }
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

/** By the request that took the key, and by the key: a row copied to another key, route or caller does not open. */
const placeOf = ({ caller, route, key, id }: Omit<KeyedRequest, 'fingerprint'>) => ({
  onboardingId: JSON.stringify([caller, route, key, id]),
  field: 'answer',
});
