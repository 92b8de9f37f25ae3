import { statement } from '../statement.js';

/**
 * Deletes, from one page of the budgets, those without a live onboarding whose entries are all too old to
 * count. Locks the rows that it deletes; skips rows that another statement is writing. Finds rows by `ctid`,
 * so that PostgreSQL reads no other rows.
 */
export const FORGET_BUDGETS = statement(
  'forget_budgets',
  `WITH page AS MATERIALIZED (
    SELECT b.ctid AS place, b.integration, b.subject_key FROM otp_budgets b
    WHERE (b.integration, b.subject_key) > ($integration::text, $subjectKey::text)
    ORDER BY b.integration, b.subject_key LIMIT $limit::int
  ),
  over AS (
    SELECT b.ctid AS place FROM otp_budgets b
    WHERE b.ctid = ANY (ARRAY(SELECT p.place FROM page p))
      AND NOT EXISTS (
        SELECT 1 FROM unnest(b.sends || b.wrong_codes) t WHERE t > clock_timestamp() - interval '1 day')
      AND (
        SELECT o.state NOT IN ('completed', 'failed', 'expired', 'cancelled') FROM onboardings o
        WHERE o.id = b.live_id
      ) IS NOT TRUE
    FOR UPDATE OF b SKIP LOCKED
  ),
  gone AS (
    DELETE FROM otp_budgets b WHERE b.ctid = ANY (ARRAY(SELECT o.place FROM over o))
    RETURNING 1
  )
  SELECT p.integration, p.subject_key AS "subjectKey", (SELECT count(*)::int FROM gone) AS gone,
    (SELECT count(*)::int FROM page) AS seen
  FROM page p ORDER BY 1 DESC, 2 DESC LIMIT 1`,
  { alone: true },
);
