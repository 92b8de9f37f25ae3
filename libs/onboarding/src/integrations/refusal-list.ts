import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { statement } from '../store/statement.js';

/** A text with which a provider refused calls, and which we do not know. */
export interface UnknownRefusal {
  id: string;
  integration: string;
  /** The step, or `probe`. */
  step: string;
  status: number;
  /** Without personal data. Empty: texts beyond the limit of an integration, counted together. */
  refusal: string;
  count: number;
  firstSeenAt: Date;
  lastSeenAt: Date;
  /** The latest example. Null for a probe. */
  onboardingId: string | null;
}

const LIST = statement(
  'unknown_refusals_list',
  `SELECT id, integration, step, status, refusal, count::float8 AS count, first_seen_at AS "firstSeenAt",
    last_seen_at AS "lastSeenAt", onboarding_id AS "onboardingId"
  FROM unknown_refusals WHERE integration = coalesce($integration::text, integration)
  ORDER BY last_seen_at DESC, id LIMIT $limit::int`,
);

const FORGET = statement(
  'unknown_refusals_forget',
  `DELETE FROM unknown_refusals WHERE id = coalesce($id::uuid, id)
    AND integration = coalesce($integration::text, integration)
  RETURNING integration, step, status, refusal`,
);

const COUNTS = statement(
  'unknown_refusals_counts',
  'SELECT integration, count(*)::int AS texts FROM unknown_refusals GROUP BY integration',
);

/** What operators read and forget of the unknown refusals. */
@Injectable()
export class RefusalList {
  constructor(private readonly statements: PreparedStatements) {}

  /** The latest first. @param integration null for all. */
  list(integration: string | null, limit: number): Promise<UnknownRefusal[]> {
    return this.statements.run<UnknownRefusal>(LIST, LIST.bind({ integration, limit }));
  }

  /** How many texts each integration has. */
  async counts(): Promise<Map<string, number>> {
    const rows = await this.statements.run<{ integration: string; texts: number }>(COUNTS, []);
    return new Map(rows.map(({ integration, texts }) => [integration, texts]));
  }

  /**
   * Forgets one text, or all of an integration: after they are in the code. A text that comes again is listed
   * again.
   */
  forget(
    which: { id: string } | { integration: string },
  ): Promise<Pick<UnknownRefusal, 'integration' | 'step' | 'status' | 'refusal'>[]> {
    const values = { id: null, integration: null, ...which };
    return this.statements.run(FORGET, FORGET.bind(values));
  }
}
