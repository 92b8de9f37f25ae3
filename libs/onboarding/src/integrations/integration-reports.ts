import { Injectable } from '@nestjs/common';
import { PreparedStatements, prepared } from '#libs/database';
import type { BreakerState, FailureClass, TroubleName } from '#libs/upstream';

/** A process that has not refreshed its views for this time counts as gone. */
export const LIVE_MS = 10_000;

export interface ViewFacts {
  breaker: BreakerState;
  /** The difference between the clocks of the process and the provider; never negative. */
  skewMs: number;
  /** Why the last signing failed; null if signing works. */
  signer: string | null;
  /** The HTTP status of the provider's last refusal. */
  refusedStatus: number | null;
  /** Which signing key is in use; null if the integration has only one. */
  key: { inUse: number; count: number; fingerprint: string } | null;
}

export interface View extends ViewFacts {
  process: string;
  integration: string;
  /**
   * Milliseconds since the epoch on PostgreSQL's clock, like all times in this file. Null while the breaker
   * is closed.
   */
  breakerSince: number | null;
  refusedSince: number | null;
}

/** The report of a process, with ages instead of times, because clocks may differ. */
export interface OwnView extends ViewFacts {
  integration: string;
  breakerAgeMs: number | null;
  refusedAgeMs: number | null;
}

export interface Trouble {
  integration: string;
  what: TroubleName;
  failures: number;
  since: number;
  lastAt: number;
  goodUntil: number;
  failure: FailureClass;
  status: number | null;
}

export interface OwnTrouble extends Pick<
  Trouble,
  'integration' | 'what' | 'failures' | 'failure' | 'status'
> {
  sinceAgeMs: number;
  lastAgeMs: number;
  /** For how long the last failure counts; null means until a call succeeds. */
  goodForMs: number | null;
}

/** Onboardings that wait for an operator. */
export interface Count {
  integration: string;
  what: 'parked' | 'outcome_unknown';
  reason: string | null;
  count: number;
  since: number;
}

export interface Pause {
  integration: string;
  since: number;
  by: string;
  reason: string;
}

export interface Reports {
  now: number;
  views: View[];
  troubles: Trouble[];
  pauses: Pause[];
}

const ago = (column: string) => `clock_timestamp() - ${column} * interval '1 millisecond'`;
const ms = (instant: string) => `(extract(epoch FROM ${instant}) * 1000)::float8`;

/**
 * Keeps the start of a problem as first reported. Deletes the views of processes that have been silent for a
 * minute, but skips locked rows: a wait would delay all processes after an outage of PostgreSQL.
 */
const PUBLISH = `
  WITH gone AS (
    DELETE FROM integration_views WHERE (process, integration) IN (
      SELECT process, integration FROM integration_views
      WHERE seen_at < clock_timestamp() - interval '1 minute' AND process <> $1::text
      FOR UPDATE SKIP LOCKED)
  )
  INSERT INTO integration_views AS v (process, integration, seen_at, breaker_since, refused_since, facts)
  SELECT $1::text, integration, clock_timestamp(), ${ago('breaker_age')}, ${ago('refused_age')}, facts
  FROM jsonb_to_recordset($2::jsonb)
    AS x (integration text, breaker_age float8, refused_age float8, facts jsonb)
  ORDER BY integration
  ON CONFLICT (process, integration) DO UPDATE SET seen_at = excluded.seen_at, facts = excluded.facts,
    breaker_since = CASE WHEN excluded.breaker_since IS NOT NULL
      THEN coalesce(v.breaker_since, excluded.breaker_since) END,
    refused_since = CASE WHEN excluded.refused_since IS NOT NULL
      THEN coalesce(v.refused_since, excluded.refused_since) END`;

const WITHDRAW = `DELETE FROM integration_views WHERE process = $1::text`;

/** Deletes rows without a failure for a day, because a removed integration leaves such rows. */
const REPORT = `
  WITH gone AS (DELETE FROM integration_troubles WHERE (integration, what) IN (
    SELECT integration, what FROM integration_troubles WHERE last_at < clock_timestamp() - interval '1 day'
      AND (integration, what) NOT IN
        (SELECT integration, what FROM jsonb_to_recordset($1::jsonb) AS y (integration text, what text))
    FOR UPDATE SKIP LOCKED))
  INSERT INTO integration_troubles AS t
    (integration, what, failures, since, last_at, good_until, failure, status)
  SELECT integration, what, failures, ${ago('since_age')}, ${ago('last_age')},
    coalesce(${ago('(last_age - good_for)')}, 'infinity'), failure, status
  FROM jsonb_to_recordset($1::jsonb) AS x (integration text, what text, failures int, since_age float8,
    last_age float8, good_for float8, failure text, status int)
  ORDER BY integration, what
  ON CONFLICT (integration, what) DO UPDATE SET failures = t.failures + excluded.failures,
    since = least(t.since, excluded.since), last_at = greatest(t.last_at, excluded.last_at),
    good_until = greatest(t.good_until, excluded.good_until),
    failure = CASE WHEN excluded.last_at >= t.last_at THEN excluded.failure ELSE t.failure END,
    status = CASE WHEN excluded.last_at >= t.last_at THEN excluded.status ELSE t.status END`;

/** Skips rows that another process is writing: the next run deletes them. */
const MENDED = `
  DELETE FROM integration_troubles WHERE (integration, what) IN (
    SELECT t.integration, t.what FROM integration_troubles t
    JOIN jsonb_to_recordset($1::jsonb) AS x (integration text, what text, age float8)
      ON t.integration = x.integration AND t.what = x.what AND t.last_at <= ${ago('x.age')}
    FOR UPDATE OF t SKIP LOCKED)`;

const READ = `
  SELECT ${ms('clock_timestamp()')} AS now,
    (SELECT coalesce(jsonb_agg(facts || jsonb_build_object('process', process, 'integration', integration,
        'breakerSince', ${ms('breaker_since')}, 'refusedSince', ${ms('refused_since')})), '[]')
      FROM integration_views
      WHERE seen_at > clock_timestamp() - interval '${LIVE_MS} milliseconds') AS views,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('integration', integration, 'what', what,
        'failures', failures, 'since', ${ms('since')}, 'lastAt', ${ms('last_at')}, 'failure', failure,
        'status', status, 'goodUntil', CASE WHEN isfinite(good_until) THEN ${ms('good_until')} END)), '[]')
      FROM integration_troubles) AS troubles,
    (SELECT coalesce(jsonb_agg(jsonb_build_object('integration', integration, 'since', ${ms('since')},
        'by', actor, 'reason', reason)), '[]') FROM integration_pauses) AS pauses`;

const PROCESSES = `
  SELECT process AS name, max(seen_at) AS "seenAt",
    max(seen_at) > clock_timestamp() - interval '${LIVE_MS} milliseconds' AS "isLive"
  FROM integration_views WHERE seen_at > clock_timestamp() - interval '1 minute'
  GROUP BY process ORDER BY process`;

/** The processes' reports about the integrations, shared through PostgreSQL because Redis may be away. */
@Injectable()
export class IntegrationReports {
  constructor(private readonly statements: PreparedStatements) {}

  async publish(process: string, views: readonly OwnView[]): Promise<void> {
    const rows = views.map(({ integration, breakerAgeMs, refusedAgeMs, ...facts }) => ({
      integration,
      breaker_age: breakerAgeMs,
      refused_age: refusedAgeMs,
      facts,
    }));
    await this.statements.run(prepared(PUBLISH), [process, JSON.stringify(rows)]);
  }

  async withdraw(process: string): Promise<void> {
    await this.statements.run(prepared(WITHDRAW), [process]);
  }

  async report(troubles: readonly OwnTrouble[]): Promise<void> {
    const rows = troubles.map(({ sinceAgeMs, lastAgeMs, goodForMs, ...trouble }) => ({
      ...trouble,
      since_age: sinceAgeMs,
      last_age: lastAgeMs,
      good_for: goodForMs,
    }));
    await this.statements.run(prepared(REPORT), [JSON.stringify(rows)]);
  }

  /** @param mended the calls that have succeeded after a failure. `age`: milliseconds since the success. */
  async mended(mended: readonly { integration: string; what: TroubleName; age: number }[]): Promise<void> {
    await this.statements.run(prepared(MENDED), [JSON.stringify(mended)]);
  }

  async read(): Promise<Reports> {
    const [row] = await this.statements.run<
      Omit<Reports, 'troubles'> & { troubles: (Omit<Trouble, 'goodUntil'> & { goodUntil: number | null })[] }
    >(prepared(READ), []);
    const troubles = row!.troubles.map((each) => ({ ...each, goodUntil: each.goodUntil ?? Infinity }));
    return { ...row!, troubles };
  }

  /** @returns the processes that have reported within the last minute and have not shut down. */
  async processes(): Promise<{ name: string; seenAt: Date; isLive: boolean }[]> {
    return this.statements.run(prepared(PROCESSES), []);
  }
}
