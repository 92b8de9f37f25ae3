import { BUCKET_ENDS_MS } from '../../flow/funnel.js';
import { ENDED_STATES } from '../../flow/table.js';
import { statement } from '../statement.js';

const isEnded = `w.state IN (${ENDED_STATES.map((state) => `'${state}'`).join(', ')})`;

/** SQL for the histogram bucket of the time between two events; no fact if a time is unknown. */
const span = (what: string, from: string, to: string) =>
  `(CASE WHEN ${from} <= ${to} THEN '${what}' END,
    width_bucket(extract(epoch FROM ${to} - ${from})::float8 * 1000, b.ends)::text)`;

/** The event may also have come as a late answer. */
const firstOf = (type: string) =>
  `min(e.at) FILTER (WHERE e.type = '${type}'
    OR (e.type = 'late_answer' AND e.data ->> 'answer' = '${type}'))`;

/**
 * Counts facts about one batch of a range of ids. A day is such a range, because ids grow with time. The fact
 * `last` has the last id of the batch and its number of rows. A stage counts for the earlier stages too,
 * because an erased timeline no longer shows late answers. Locks nothing.
 */
export const FUNNEL_BATCH = statement(
  'funnel_batch',
  `WITH cohort AS (
    SELECT o.id, o.integration, o.state, coalesce(o.failure, o.last_result) ->> 'code' AS code
    FROM onboardings o WHERE o.id > $after::uuid AND o.id < $below::uuid ORDER BY o.id LIMIT $limit::int
  ),
  ways AS (
    SELECT c.integration, c.state, c.code, e.*, c.state = 'completed' AS is_registered,
      c.state = 'completed' OR e.verified IS NOT NULL AS is_verified
    FROM cohort c CROSS JOIN LATERAL (
      SELECT min(e.at) FILTER (WHERE e.type = 'created') AS started, ${firstOf('otp_sent')} AS sent,
        ${firstOf('otp_verified')} AS verified, ${firstOf('authenticators_created')} AS registered
      FROM onboarding_events e WHERE e.onboarding_id = c.id
    ) e
  )
  SELECT w.integration, fact.what, fact.key, count(*)::int AS count
  FROM ways w CROSS JOIN (SELECT ARRAY[${BUCKET_ENDS_MS.join(', ')}]::float8[] AS ends) b
  CROSS JOIN LATERAL (VALUES
    ('started', ''),
    (CASE WHEN w.sent IS NOT NULL OR w.is_verified THEN 'codeSent' END, ''),
    (CASE WHEN w.is_verified THEN 'verified' END, ''),
    (CASE WHEN w.is_registered THEN 'registered' END, ''),
    (CASE WHEN NOT (${isEnded}) THEN 'live' END, ''),
    (CASE WHEN ${isEnded} THEN 'ending' END,
      w.state || '/' || CASE WHEN w.is_registered THEN '' ELSE coalesce(w.code, '') END),
    ${span('startedToCodeSent', 'w.started', 'w.sent')},
    ${span('codeSentToVerified', 'w.sent', 'w.verified')},
    ${span('verifiedToRegistered', 'w.verified', 'w.registered')},
    ${span('startedToRegistered', 'w.started', 'w.registered')}
  ) AS fact (what, key)
  WHERE fact.what IS NOT NULL
  GROUP BY w.integration, fact.what, fact.key
  UNION ALL
  (SELECT '', 'last', c.id::text, (SELECT count(*)::int FROM cohort)
    FROM cohort c ORDER BY c.id DESC LIMIT 1)`,
  { alone: true },
);

export const FUNNEL_STATE = statement(
  'funnel_state',
  `SELECT clock_timestamp() AS now, (SELECT o.id FROM onboardings o ORDER BY o.id LIMIT 1) AS "oldestId",
    coalesce((SELECT json_object_agg(f.day, json_build_object('isFinal', f.is_final,
      'ageMs', extract(epoch FROM clock_timestamp() - f.counted_at) * 1000, 'tookMs', f.took_ms))
      FROM funnel_counts f WHERE f.day >= $from::date), '{}') AS days`,
);

export const FUNNEL_WRITE = statement(
  'funnel_write',
  `WITH gone AS (
    DELETE FROM funnel_days f WHERE f.day = $day::date AND f.integration <> ALL ($integrations::text[])
  ),
  written AS (
    INSERT INTO funnel_days AS f
      (day, integration, started, code_sent, verified, registered, live, endings, times)
    SELECT $day::date, x.integration, x.started, x."codeSent", x.verified, x.registered, x.live, x.endings,
      x.times
    FROM jsonb_to_recordset($rows::jsonb) AS x (integration text, started int, "codeSent" int, verified int,
      registered int, live int, endings jsonb, times jsonb)
    ON CONFLICT (day, integration) DO UPDATE SET started = excluded.started, code_sent = excluded.code_sent,
      verified = excluded.verified, registered = excluded.registered, live = excluded.live,
      endings = excluded.endings, times = excluded.times
  )
  INSERT INTO funnel_counts AS c (day, counted_at, took_ms, is_final)
  VALUES ($day::date, $countedAt::timestamptz, $tookMs::float8, $isFinal::boolean)
  ON CONFLICT (day) DO UPDATE SET counted_at = excluded.counted_at, took_ms = excluded.took_ms,
    is_final = excluded.is_final`,
);

export const FUNNEL_READ = statement(
  'funnel_read',
  `SELECT f.day::text, f.integration, f.started, f.code_sent AS "codeSent", f.verified, f.registered, f.live,
    f.endings, f.times
  FROM funnel_days f
  WHERE f.day BETWEEN $from::date AND $to::date
    AND ($integration::text IS NULL OR f.integration = $integration::text)
  ORDER BY f.day, f.integration`,
);

export const FUNNEL_COUNTED = statement(
  'funnel_counted',
  `SELECT c.day::text, c.counted_at AS "countedAt", c.is_final AS "isFinal" FROM funnel_counts c
  WHERE c.day BETWEEN $from::date AND $to::date`,
);
