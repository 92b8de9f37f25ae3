import { Injectable } from '@nestjs/common';
import { OnboardingStore, statement } from '#libs/onboarding';

/**
 * Finds which of the given credential ids are registered at an integration, by any subject. Locks nothing.
 */
const TAKEN = statement(
  'taken_credentials',
  `SELECT k.credential_id AS id FROM credentials k
    WHERE k.integration = $integration::text
    AND k.credential_id = ANY ($credentialIds::text[]) AND k.registered`,
);

/**
 * The registered credentials. A claim reserves credentials before they are sent, so that the attempt cannot
 * fail on a duplicate when it is settled. A reservation does not block another subject: the provider decides.
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
