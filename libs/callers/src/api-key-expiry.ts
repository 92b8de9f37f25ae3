import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CLOCK, type Clock } from '#libs/kernel';
import { Metrics } from '#libs/platform';
import { ENDS_OF_KEYS } from './api-key-statements.js';

/** Expiry times change seldom. */
const FRESH_MS = 60_000;

/** Shows when callers' API keys expire. A scrape does not wait for PostgreSQL. */
@Injectable()
export class ApiKeyExpiry {
  #ends: readonly { caller: string; at: number }[] = [];
  #askedAtMs = -Infinity;

  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CLOCK) private readonly clock: Clock,
    metrics: Metrics,
  ) {
    metrics.gauge('gangway_credential_expiry_timestamp_seconds', () => {
      void this.#ask();
      return this.#ends.map(({ caller, at }) => ({ labels: { kind: 'api_key', name: caller }, value: at }));
    });
  }

  async #ask(): Promise<void> {
    const now = this.clock.monotonicMs();
    if (now - this.#askedAtMs < FRESH_MS) return;
    this.#askedAtMs = now;
    try {
      this.#ends = await this.statements.run<{ caller: string; at: number }>(ENDS_OF_KEYS, []);
    } catch {
      // The known expiry times stay, and the next scrape asks PostgreSQL again.
      this.#askedAtMs = -Infinity;
    }
  }
}
