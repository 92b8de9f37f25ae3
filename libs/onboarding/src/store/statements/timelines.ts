import { statement } from '../statement.js';

/** Reads a timeline and its row in one statement, so that both are from the same time. */
export const TIMELINE = statement(
  'timeline',
  `SELECT o.id, o.state, o.last_seq AS "lastSeq", o.anchor, o.anchored_seq AS "anchoredSeq", coalesce((
    SELECT json_agg(json_build_object('seq', e.seq, 'type', e.type,
      'atUs', (extract(epoch FROM e.at) * 1000000)::bigint::text, 'actor', e.actor, 'data', e.data::text)
        ORDER BY e.seq)
    FROM onboarding_events e WHERE e.onboarding_id = o.id), '[]') AS events
  FROM onboardings o WHERE o.id = $id::uuid`,
);

export const TIMELINES = statement(
  'timelines',
  `SELECT o.id, o.state, o.last_seq AS "lastSeq", o.anchor, o.anchored_seq AS "anchoredSeq", coalesce((
    SELECT json_agg(json_build_object('seq', e.seq, 'type', e.type,
      'atUs', (extract(epoch FROM e.at) * 1000000)::bigint::text, 'actor', e.actor, 'data', e.data::text)
        ORDER BY e.seq)
    FROM onboarding_events e WHERE e.onboarding_id = o.id), '[]') AS events
  FROM onboardings o WHERE o.id > $after::uuid ORDER BY o.id LIMIT $limit::int`,
  { alone: true },
);

/**
 * Reads ended timelines whose anchor is missing or covers too few events, due for longest first. Locks
 * nothing.
 */
export const UNANCHORED = statement(
  'unanchored',
  `SELECT o.id, o.state, o.last_seq AS "lastSeq", o.anchor, o.anchored_seq AS "anchoredSeq", coalesce((
    SELECT json_agg(json_build_object('seq', e.seq, 'type', e.type,
      'atUs', (extract(epoch FROM e.at) * 1000000)::bigint::text, 'actor', e.actor, 'data', e.data::text)
        ORDER BY e.seq)
    FROM onboarding_events e WHERE e.onboarding_id = o.id), '[]') AS events
  FROM onboardings o
  WHERE o.state IN ('completed', 'failed', 'expired', 'cancelled') AND o.due_at <= (SELECT clock_timestamp())
  ORDER BY o.due_at LIMIT $limit::int`,
  { alone: true },
);

/**
 * Writes the anchors of timelines. Locks the onboardings in the order of their ids; skips rows that have new
 * events or that another statement is writing.
 */
export const ANCHOR = statement(
  'anchor',
  `WITH target AS (
    SELECT o.id, v.seq, v.anchor
    FROM unnest($ids::uuid[], $seqs::int[], $anchors::bytea[]) AS v (id, seq, anchor)
    JOIN onboardings o ON o.id = v.id AND o.last_seq = v.seq
    WHERE o.id = ANY ($ids::uuid[])
    ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
  )
  UPDATE onboardings o SET anchor = t.anchor, anchored_seq = t.seq, due_at = NULL
  FROM target t WHERE o.id = t.id
  RETURNING o.id`,
  { alone: true },
);

export const EVENTS_AFTER = statement(
  'events_after',
  `SELECT e.onboarding_id AS "onboardingId", e.seq, e.type, e.at, e.actor, e.data FROM onboarding_events e
  WHERE e.onboarding_id = $id::uuid AND e.seq > $after::int ORDER BY e.seq LIMIT $limit::int`,
);
