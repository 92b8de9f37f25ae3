import type { OnApplicationShutdown } from '@nestjs/common';
import type { IntegrationConfig } from '#libs/platform';
import type { ClockSkew } from './transport/clock-skew.js';
import type { GuardedProvider } from './guarded-provider.js';
import type { SigningKeys } from './transport/signing-keys.js';

export interface Integration {
  name: string;
  provider: GuardedProvider;
  skew: ClockSkew;
  /** Null if the service signs no requests to this integration. */
  keys: SigningKeys | null;
  config: IntegrationConfig;
}

/** A row may name an integration that is no longer configured. */
export class Integrations implements OnApplicationShutdown {
  readonly #byName: ReadonlyMap<string, Integration>;

  constructor(integrations: readonly Integration[]) {
    this.#byName = new Map(integrations.map((integration) => [integration.name, integration]));
  }

  onApplicationShutdown(): void {
    for (const { keys } of this.#byName.values()) keys?.close();
  }

  find(name: string): Integration | null {
    return this.#byName.get(name) ?? null;
  }

  /** The default for requests that name no integration. Null unless exactly one is configured. */
  only(): Integration | null {
    const [first] = this.#byName.values();
    return this.#byName.size === 1 && first ? first : null;
  }

  all(): Integration[] {
    return [...this.#byName.values()];
  }
}
