import { Injectable } from '@nestjs/common';
import { OnboardingStore, statement } from '#libs/onboarding';

/** The given credential ids that any subject has registered at an integration. Locks nothing. */
const TAKEN = statement(
  'taken_credentials',
  `SELECT k.credential_id AS id FROM credentials k
    WHERE k.integration = $integration::text
    AND k.credential_id = ANY ($credentialIds::text[]) AND k.registered`,
);

/**
 * The registered credentials. The store's claim reserves one before its submission leaves, so that a settle
 * cannot fail on a duplicate. A reservation that never became a registration does not block another. If two
 * subjects submit one at the same time, the provider decides.
 */
@Injectable()
export class Credentials {
  constructor(private readonly store: OnboardingStore) {}

  /** @returns the ids that any subject has registered at the integration. */
  async taken(integration: string, credentialIds: readonly string[]): Promise<Set<string>> {
    const rows = await this.store.run<{ id: string }>(TAKEN, { integration, credentialIds });
    return new Set(rows.map(({ id }) => id));
  }
}
