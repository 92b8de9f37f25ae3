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
 * The registered credentials. The write that begins an attempt also reserves the submitted credentials. So
 * the write that ends the attempt only updates rows, and cannot fail on a duplicate. Several subjects may
 * reserve one credential: the provider decides who registers it.
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
