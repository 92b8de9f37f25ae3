import { Injectable } from '@nestjs/common';
import { OnboardingStore, statement } from '#libs/onboarding';

/** Which credential ids are registered at an integration, for any subject. Locks nothing. */
const TAKEN = statement(
  'taken_credentials',
  `SELECT k.credential_id AS id FROM credentials k
  WHERE k.integration = $integration::text AND k.credential_id = ANY ($credentialIds::text[]) AND k.registered`,
);

/**
 * Which credentials a subject has. The store's claim reserves one before its submission leaves, so that a settle cannot fail
 * on a duplicate; a reservation that never became a registration does not prevent another. Whether two subjects that come at
 * once get the same one, the provider says.
 */
@Injectable()
export class Credentials {
  constructor(private readonly store: OnboardingStore) {}

  /** @returns which of them are registered at the integration, for any subject. */
  async taken(integration: string, credentialIds: readonly string[]): Promise<Set<string>> {
    const rows = await this.store.run<{ id: string }>(TAKEN, { integration, credentialIds });
    return new Set(rows.map(({ id }) => id));
  }
}
