import type { OnApplicationShutdown } from '@nestjs/common';
import type { IntegrationConfig } from '#libs/platform';
import type { ClockSkew } from './transport/clock-skew.js';
import type { GuardedProvider } from './guarded-provider.js';
import type { SigningKeys } from './transport/signing-keys.js';

export interface Integration {
  name: string;
  provider: GuardedProvider;
  skew: ClockSkew;
  /** Null where requests are not signed by a key of ours. */
  keys: SigningKeys | null;
  config: IntegrationConfig;
}

/** The configured upstreams by name. A row may name one that the configuration no longer has. */
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

  /** The one that a caller means who names none: there is no such thing where several are configured. */
  only(): Integration | null {
    const [first] = this.#byName.values();
    return this.#byName.size === 1 && first ? first : null;
  }

  all(): Integration[] {
    return [...this.#byName.values()];
  }
}
