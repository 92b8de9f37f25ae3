import { Injectable } from '@nestjs/common';
import { OnboardingStore, statement } from '#libs/onboarding';

/** Finds which of the given credential ids any subject has registered at an integration. Locks nothing. */
const TAKEN = statement(
  'taken_credentials',
  `SELECT k.credential_id AS id FROM credentials k
    WHERE k.integration = $integration::text
    AND k.credential_id = ANY ($credentialIds::text[])`,
);

/**
 * The write that stores passkeys on an onboarding's row also inserts their ids here. It cannot fail on a
 * duplicate, because the provider decides which of several subjects registers a credential.
 */
@Injectable()
export class Credentials {
  constructor(private readonly store: OnboardingStore) {}

  async taken(integration: string, credentialIds: readonly string[]): Promise<Set<string>> {
    const rows = await this.store.run<{ id: string }>(TAKEN, { integration, credentialIds });
    return new Set(rows.map(({ id }) => id));
  }
}
