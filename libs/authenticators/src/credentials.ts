import { Injectable } from '@nestjs/common';
import { OnboardingStore, statement } from '#libs/onboarding';

/**
 * Finds which of the given credential ids are registered at an integration, by any subject. Locks nothing.
 */
const TAKEN = statement(
  'taken_credentials',
  `SELECT k.credential_id AS id FROM credentials k
    WHERE k.integration = $integration::text
    AND k.credential_id = ANY ($credentialIds::text[])`,
);

/**
 * The registered credentials. The write that stores passkeys on the row of an onboarding also inserts their
 * ids here, and cannot fail on a duplicate. Several subjects may submit one credential at the same time: the
 * provider decides who registers it.
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
