import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { statement } from '../store/statement.js';

/** A text of a provider's refusals that this service does not know. */
export interface UnknownRefusal {
  id: string;
  integration: string;
  /** The step, or `probe`. */
  step: string;
  status: number;
  /** The text without personal data. Empty: the row counts all texts above the integration's limit. */
  refusal: string;
  count: number;
  firstSeenAt: Date;
  lastSeenAt: Date;
  /** The latest onboarding that got this text. Null for a probe. */
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

@Injectable()
export class RefusalList {
  constructor(private readonly statements: PreparedStatements) {}

  /** Latest first. @param integration null for all integrations. */
  list(integration: string | null, limit: number): Promise<UnknownRefusal[]> {
    return this.statements.run<UnknownRefusal>(LIST, LIST.bind({ integration, limit }));
  }

  async counts(): Promise<Map<string, number>> {
    const rows = await this.statements.run<{ integration: string; texts: number }>(COUNTS, []);
    return new Map(rows.map(({ integration, texts }) => [integration, texts]));
  }

  /**
   * Deletes texts that a developer has added to the source code. A text that a provider sends again is listed
   * again.
   */
  forget(
    which: { id: string } | { integration: string },
  ): Promise<Pick<UnknownRefusal, 'integration' | 'step' | 'status' | 'refusal'>[]> {
    const values = { id: null, integration: null, ...which };
    return this.statements.run(FORGET, FORGET.bind(values));
  }
}
