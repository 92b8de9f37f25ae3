import { statement } from '../statement.js';

export const FIND = statement(
  'find',
  `SELECT o.*, clock_timestamp() AS now FROM onboardings o WHERE o.id = $id::uuid`,
);

export const WITH_NEW_EVENTS = statement(
  'with_new_events',
  `SELECT DISTINCT ON (o.id) o.*, clock_timestamp() AS now
  FROM unnest($ids::uuid[], $seqs::int[]) AS w (id, seq) JOIN onboardings o ON o.id = w.id
  WHERE o.last_seq > w.seq AND o.id = ANY ($ids::uuid[])`,
);

/**
 * Waits until no other statement writes the row, so that the next statement sees the result. Locks the
 * onboarding.
 */
export const WAIT_FOR_WRITERS = statement(
  'wait_for_writers',
  `SELECT 1 FROM onboardings o WHERE o.id = $id::uuid FOR UPDATE`,
  { alone: true },
);

/**
 * Waits for a running start for the subject, even if its budget row is not visible yet. Locks the budget row,
 * as a start does. Then fails, so that nothing is written.
 */
export const WAIT_FOR_STARTS = statement(
  'wait_for_starts',
  `WITH held AS (
    INSERT INTO otp_budgets AS b (integration, subject_key) VALUES ($integration::text, $subjectKey::text)
    ON CONFLICT (integration, subject_key) DO UPDATE SET integration = excluded.integration
    RETURNING 1
  )
  SELECT 1 FROM held WHERE gangway_refuse('wait_for_starts')`,
  { alone: true },
);

export const NOW = statement('now', 'SELECT clock_timestamp() AS now');

export const FIND_LATEST = statement(
  'find_latest',
  `SELECT b.live_id AS "liveId", o.*, clock_timestamp() AS now
  FROM otp_budgets b LEFT JOIN onboardings o ON o.id = b.live_id
  WHERE b.integration = $integration::text AND b.subject_key = $subjectKey::text`,
);
