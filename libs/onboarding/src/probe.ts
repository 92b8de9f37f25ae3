import { Inject, Injectable, Logger } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CONFIG, type Config } from '#libs/platform';
import { Integrations } from '#libs/upstream';
import { OnboardingStore } from './onboarding.store.js';
import { prepared, sql } from './statement.js';

const PARKED = `SELECT DISTINCT integration FROM onboardings WHERE parked_reason IS NOT NULL`;
const PARKED_OF = `SELECT id FROM onboardings WHERE parked_reason IS NOT NULL AND integration = $1 LIMIT $2`;
const BATCH = 500;

/** Asks each integration that has parked rows whether it works again, and lets the rows go on when it does. */
@Injectable()
export class Probe {
  readonly #logger = new Logger(Probe.name);

  constructor(
    private readonly statements: PreparedStatements,
    private readonly store: OnboardingStore,
    private readonly integrations: Integrations,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @returns how many rows go on; the sweeper wakes them. */
  async run(): Promise<{ unparked: number; unhealthy: string[] }> {
    const unhealthy: string[] = [];
    let unparked = 0;
    for (const { integration } of await this.statements.run<{ integration: string }>(prepared(PARKED), [])) {
      if (await this.#works(integration)) unparked += await this.#unpark(integration);
      else unhealthy.push(integration);
    }
    return { unparked, unhealthy };
  }

  async #works(name: string): Promise<boolean> {
    const integration = this.integrations.find(name);
    if (!integration) return false;
    try {
      await integration.provider.probe({
        timeoutMs: this.config.CALL_TIMEOUT_MS,
        beforeSend: () => undefined,
      });
      return true;
    } catch (error) {
      this.#logger.error(`integration ${name} is still not in order: ${(error as Error).message}`);
      return false;
    }
  }

  async #unpark(integration: string): Promise<number> {
    let count = 0;
    for (;;) {
      const rows = await this.statements.run<{ id: string }>(prepared(PARKED_OF), [integration, BATCH]);
      for (const { id } of rows) {
        const row = await this.store.change({
          id,
          where: [() => 'o.parked_reason IS NOT NULL'],
          patch: {
            parkedReason: null,
            parkedAt: null,
            nextAttemptAt: sql('clock_timestamp()'),
            wokenAt: null,
          },
          events: [{ type: 'unparked', actor: 'service' }],
        });
        if (row) count += 1;
      }
      if (rows.length < BATCH) return count;
    }
  }
}
