import type { Row } from '../flow/row.js';

/** The sealed answer to the request that has taken an idempotency key. */
export interface AnswerToStore {
  keyCaller: string;
  route: string;
  key: string;
  takenBy: string;
  sealedAnswer: Buffer;
}

/** Offers an answer, so that the statement that writes the end of a step can store it. */
export interface Answering {
  /**
   * @param row the row that the statement will probably leave in the database.
   * @returns the answer to store with this row; null if there is none.
   */
  begin(row: Row): AnswerToStore | null;
  /** Called after the write, if it has stored the answer. */
  stored(): void;
}

/**
 * SQL that stores the answer together with the end of a step, in the row of its idempotency key. Stores
 * nothing if the written row differs from the row in the answer (`as_expected` is false), or if the key
 * already has an answer. Expects the CTE `changed`.
 */
export const ANSWERED = `answered AS (
    UPDATE idempotency_keys k SET sealed_answer = $sealedAnswer::bytea FROM changed c
    WHERE c.as_expected AND k.caller = $keyCaller::text AND k.route = $route::text AND k.key = $key::text
      AND k.taken_by = $takenBy::uuid AND k.sealed_answer IS NULL
    RETURNING 1
  )`;
