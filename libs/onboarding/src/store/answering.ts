import type { Row } from '../flow/row.js';

export interface AnswerToStore {
  keyCaller: string;
  route: string;
  key: string;
  takenBy: string;
  sealedAnswer: Buffer;
}

/** Offers an answer to store in the same statement as the end of a step. */
export interface Answering {
  /**
   * @param row the row that the statement will probably write.
   * @returns null if there is no answer to store.
   */
  begin(row: Row): AnswerToStore | null;
  /** Called after the write, if it has stored the answer. */
  stored(): void;
}

/**
 * SQL that stores the answer in the row of its idempotency key, unless the written row differs from the row
 * in the answer (`as_expected` is false) or the key has an answer. Expects the CTE `changed`.
 */
export const ANSWERED = `answered AS (
    UPDATE idempotency_keys k SET sealed_answer = $sealedAnswer::bytea FROM changed c
    WHERE c.as_expected AND k.caller = $keyCaller::text AND k.route = $route::text AND k.key = $key::text
      AND k.taken_by = $takenBy::uuid AND k.sealed_answer IS NULL
    RETURNING 1
  )`;
