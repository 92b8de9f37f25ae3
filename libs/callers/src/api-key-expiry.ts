import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CLOCK, type Clock } from '#libs/kernel';
import { Metrics } from '#libs/platform';
import { ENDS_OF_KEYS } from './api-key-statements.js';

/** How long scrapes reuse expiry times, which change seldom. */
const FRESH_MS = 60_000;

/** Shows when the API keys of callers expire. A scrape does not wait for PostgreSQL. */
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
      // After a failure, the known expiry times stay, and the next scrape asks PostgreSQL again.
      this.#askedAtMs = -Infinity;
    }
  }
}
