import { Injectable } from '@nestjs/common';
import { OnboardingStore, type Clause, type SubjectRef } from '#libs/onboarding';

/**
 * Which credentials a subject has. One is reserved before its submission leaves, so that a settle cannot fail
 * on a duplicate; a reservation that never became a registration stands in nobody's way.
 */
@Injectable()
export class Credentials {
  constructor(private readonly store: OnboardingStore) {}

  /** The subject's registered credential ids. */
  async registered(subject: SubjectRef): Promise<string[]> {
    const rows = await this.store.query<{ credential_id: string }>(
      'SELECT credential_id FROM credentials WHERE integration = $1 AND subject_key = $2 AND registered',
      [subject.integration, subject.subjectKey],
    );
    return rows.map((row) => row.credential_id);
  }

  /** @returns which of them are registered at the integration, whoever has them. */
  async taken(integration: string, credentialIds: readonly string[]): Promise<Set<string>> {
    const rows = await this.store.query<{ credential_id: string }>(
      'SELECT credential_id FROM credentials WHERE integration = $1 AND credential_id = ANY ($2::text[]) AND registered',
      [integration, credentialIds],
    );
    return new Set(rows.map((row) => row.credential_id));
  }

  /**
   * Reserves all, where none is registered for anybody (WebAuthn Level 3 §7.1, step 27) and the subject would then have
   * no more than that many. Whether two subjects that come at once get the same one, the provider says.
   */
  reserve(credentialIds: string[], atMost: number): Clause {
    return {
      name: 'credentials_reserved',
      required: true,
      write: (b, row) => {
        const ids = b.bind(credentialIds, 'text[]');
        return `
        INSERT INTO credentials AS k (integration, subject_key, credential_id, onboarding_id)
        SELECT t.integration, t.subject_key, given.id, t.id
        FROM ${row} t, unnest(${ids}) AS given (id)
        WHERE NOT EXISTS (
          SELECT 1 FROM credentials taken WHERE taken.integration = t.integration
            AND taken.credential_id = ANY (${ids}) AND taken.registered)
          AND cardinality(${ids}) + (SELECT count(*) FROM credentials had WHERE had.integration = t.integration
            AND had.subject_key = t.subject_key AND had.registered) <= ${b.bind(atMost, 'int')}
        ON CONFLICT (integration, subject_key, credential_id)
          DO UPDATE SET onboarding_id = excluded.onboarding_id WHERE NOT k.registered
        RETURNING k.credential_id`;
      },
    };
  }

  /** What the row now says is registered, is: a reservation of a lost submission before it stays one. */
  readonly confirm: Clause = {
    name: 'credentials_confirmed',
    required: false,
    write: (_, row) => `
      UPDATE credentials k SET registered = true FROM ${row} c
      WHERE k.onboarding_id = c.id AND NOT k.registered
        AND c.authenticators @> jsonb_build_array(jsonb_build_object('credentialId', k.credential_id)) RETURNING 1`,
  };

  /** The reserved ones of the onboarding are free again. */
  readonly release: Clause = {
    name: 'credentials_released',
    required: false,
    write: (_, row) =>
      `DELETE FROM credentials k USING ${row} c WHERE k.onboarding_id = c.id AND NOT k.registered RETURNING 1`,
  };
}
