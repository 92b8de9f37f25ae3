import { Injectable } from '@nestjs/common';
import { OnboardingStore, statement } from '#libs/onboarding';

/** The given credential ids that any subject has registered at an integration. The query locks nothing. */
const TAKEN = statement(
  'taken_credentials',
  `SELECT k.credential_id AS id FROM credentials k
    WHERE k.integration = $integration::text
    AND k.credential_id = ANY ($credentialIds::text[]) AND k.registered`,
);

/**
 * The registered credentials. The store's claim reserves a credential before it is sent, so that the end of
 * the attempt cannot fail on a duplicate. A mere reservation does not block another subject: the provider
 * decides.
 */
@Injectable()
export class Credentials {
  constructor(private readonly store: OnboardingStore) {}

  /** @returns the credential ids that any subject has registered at the integration. */
  async taken(integration: string, credentialIds: readonly string[]): Promise<Set<string>> {
    const rows = await this.store.run<{ id: string }>(TAKEN, { integration, credentialIds });
    return new Set(rows.map(({ id }) => id));
  }
}
