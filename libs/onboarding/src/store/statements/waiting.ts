import { OF_STATE } from '../list.js';
import { statement } from '../statement.js';

export const PUT_OFF = statement(
  'put_off',
  `UPDATE onboardings o SET
    next_attempt_at = least(at + $waitMs::float8 * interval '1 millisecond', $deadline::timestamptz),
    due_at = least(at + $waitMs::float8 * interval '1 millisecond', $deadline::timestamptz),
    updated_at = at
  FROM clock_timestamp() AS at
  WHERE o.id = $id::uuid AND o.attempt = $attempt::int AND o.version = $version::int
    AND o.last_seq = $lastSeq::int
  RETURNING 1`,
);

/**
 * Stores the provider requests that each try of a submission sends again, while the attempt has its lease.
 * Locks the onboarding.
 */
export const KEEP_REQUESTS = statement(
  'keep_requests',
  `UPDATE onboardings o SET sealed_requests = $sealedRequests::bytea
  WHERE o.id = $id::uuid AND o.attempt = $attempt::int AND o.lease_until > clock_timestamp()
  RETURNING 1`,
);

/**
 * Finds steps whose job was lost or whose process is gone. Sets a later `due_at`, so that the new job has
 * time before the next search. Locks the onboardings; skips locked rows, because a process is working on
 * them.
 */
export const WAKE = statement(
  'wake',
  `UPDATE onboardings o SET due_at = least(clock_timestamp() + $againMs::float8 * interval '1 millisecond',
    due.deadline)
  FROM (
    SELECT each.id, ends.deadline
    FROM onboardings each,
      LATERAL (SELECT least(
        CASE each.state WHEN 'otp_submitted' THEN each.otp_expires_at
          WHEN 'authenticators_submitted' THEN each.session_ends_at END,
        each.idle_ends_at, each.life_ends_at) AS deadline) ends
    WHERE each.state NOT IN ('completed', 'failed', 'expired', 'cancelled')
      AND each.due_at <= (SELECT clock_timestamp()) - $graceMs::float8 * interval '1 millisecond'
      AND least(each.lease_until, each.next_attempt_at)
        <= (SELECT clock_timestamp()) - $graceMs::float8 * interval '1 millisecond'
      AND each.parked_reason IS NULL AND ends.deadline > clock_timestamp()
    ORDER BY each.due_at LIMIT $limit::int FOR UPDATE OF each SKIP LOCKED
  ) due
  WHERE o.id = due.id
  RETURNING o.id, o.step, o.attempt`,
  { alone: true },
);

/** Restores the due time of rows that got no job. Locks the onboardings. */
export const NOT_WOKEN = statement(
  'not_woken',
  `UPDATE onboardings o SET due_at = least(o.lease_until, o.next_attempt_at)
  WHERE o.id = ANY ($ids::uuid[]) AND least(o.lease_until, o.next_attempt_at) <= clock_timestamp()
  RETURNING 1`,
);

/**
 * Reads steps in one stored state that wait for their next try or whose process is gone. A page begins after
 * `$key` and `$after`, and ends before `$beyond`. Locks nothing.
 */
export const WAITING_STEPS = statement(
  'waiting_steps',
  `SELECT o.id, o.step, o.attempt, ${OF_STATE} AS key,
    greatest(0, extract(epoch FROM o.next_attempt_at - clock_timestamp()) * 1000)::float8 AS "waitMs"
  FROM onboardings o
  WHERE (${OF_STATE}, o.id) > ($key::text, $after::uuid) AND ${OF_STATE} < $beyond::text
    AND o.parked_reason IS NULL AND (o.next_attempt_at IS NOT NULL OR o.lease_until <= clock_timestamp())
  ORDER BY ${OF_STATE}, o.id LIMIT $limit::int`,
  { alone: true },
);
