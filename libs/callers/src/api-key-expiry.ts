import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CLOCK, type Clock } from '#libs/kernel';
import { Metrics } from '#libs/platform';
import { FIRST_KEY_TO_EXPIRE } from './api-key-statements.js';

/** The end of a key changes seldom, and operators need days to replace one. */
const FRESH_MS = 60_000;

/** Shows when the first of the valid API keys expires. A scrape does not wait for PostgreSQL. */
@Injectable()
export class ApiKeyExpiry {
  #at: number | null = null;
  #askedAtMs = -Infinity;

  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CLOCK) private readonly clock: Clock,
    metrics: Metrics,
  ) {
    metrics.gauge('gangway_credential_expiry_timestamp_seconds', () => {
      void this.#ask();
      return this.#at === null ? [] : [{ labels: { kind: 'api_key', name: '' }, value: this.#at }];
    });
  }

  async #ask(): Promise<void> {
    const now = this.clock.monotonicMs();
    if (now - this.#askedAtMs < FRESH_MS) return;
    this.#askedAtMs = now;
    try {
      const [row] = await this.statements.run<{ at: number | null }>(FIRST_KEY_TO_EXPIRE, []);
      this.#at = row!.at;
    } catch {
      // The instant stays right. The next scrape asks again.
      this.#askedAtMs = -Infinity;
    }
  }
}
