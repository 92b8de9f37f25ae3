import type { z } from 'zod';
import type { Clock } from '#libs/kernel';
import type { IntegrationConfig, ProviderSettings } from '#libs/platform';
import type { ClockSkew } from './transport/clock-skew.js';
import type { UpstreamHttpClient } from './transport/http-client.js';
import type { RetryLaw } from './port/retry-law.js';
import type { SigningKeys } from './transport/signing-keys.js';
import type { StepCall, UpstreamProvider } from './port/upstream-provider.js';

/** The parts that every provider needs. */
export interface ProviderParts {
  http: UpstreamHttpClient;
  clock: Clock;
  skew: ClockSkew;
}

/** The additional parts of a provider whose requests the service signs. */
export interface SigningParts extends ProviderParts {
  keys: SigningKeys;
}

/** Everything that the service knows about one kind of provider. */
export interface Provider extends ProviderSettings {
  /** Whether the provider's signatures expire soon. If so, no step is sent while the clocks differ. */
  limitsSignatureAge: boolean;
  law: RetryLaw;
  /** The forms of `subject` and `otp`, for the API documentation. Null if there is no `otp`. */
  schemas: { subject: z.ZodType; otp: z.ZodType | null };
  /**
   * @param contact an e-mail address or a phone number, as a person types it.
   * @returns the key of the subject with this contact. Null if the text is neither, or if the provider does
   *   not identify subjects by contact.
   */
  keyOfContact(contact: string): string | null;
  /** Steps that upstream performs only once, even if it receives the same bytes several times. */
  replayable: readonly StepCall[];
  /** @throws Error that names the variable of an unusable setting. */
  create(integration: IntegrationConfig, parts: ProviderParts): UpstreamProvider;
}

interface Definition<
  Kind extends string,
  Settings extends z.ZodObject,
  Signs extends boolean,
> extends Provider {
  kind: Kind;
  settings: Settings;
  signs: Signs;
  create(
    integration: IntegrationConfig & z.output<Settings>,
    parts: Signs extends true ? SigningParts : ProviderParts,
  ): UpstreamProvider;
}

/** Derives the type of `create` from the settings and keys of this kind. */
export const defineProvider = <
  const Kind extends string,
  Settings extends z.ZodObject,
  const Signs extends boolean,
>(
  definition: Definition<Kind, Settings, Signs>,
) => definition;
