import type { z } from 'zod';
import type { Clock } from '#libs/kernel';
import type { IntegrationConfig, ProviderSettings } from '#libs/platform';
import type { ClockSkew } from './transport/clock-skew.js';
import type { UpstreamHttpClient } from './transport/http-client.js';
import type { RetryLaw } from './port/retry-law.js';
import type { SigningKeys } from './transport/signing-keys.js';
import type { StepCall, UpstreamProvider } from './port/upstream-provider.js';

export interface ProviderParts {
  http: UpstreamHttpClient;
  clock: Clock;
  skew: ClockSkew;
}

export interface SigningParts extends ProviderParts {
  keys: SigningKeys;
}

export interface Provider extends ProviderSettings {
  /** Whether signatures are valid only for a short time. If so, no step is sent while the clocks differ. */
  limitsSignatureAge: boolean;
  law: RetryLaw;
  /** For the API documentation. Null if the provider accepts no `otp`. */
  schemas: { subject: z.ZodType; otp: z.ZodType | null };
  /**
   * @returns the key of the subject with this e-mail address or phone number. Null if the text is no contact,
   *   or if this provider does not identify subjects by their contact.
   */
  keyOfContact(contact: string): string | null;
  /** The steps at which two requests with the same bytes have only one effect. */
  replayable: readonly StepCall[];
  /** @throws Error that names the variable of an invalid setting. */
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

/** The types of `create` follow from `settings` and `signs`. */
export const defineProvider = <
  const Kind extends string,
  Settings extends z.ZodObject,
  const Signs extends boolean,
>(
  definition: Definition<Kind, Settings, Signs>,
) => definition;
