import { Inject, Injectable } from '@nestjs/common';
import { inBatches } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { Erasure } from '../commands/erase.js';
import { IdempotencyKeys } from '../store/idempotency-keys.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { KEPT_TOO_LONG } from '../store/statements/retain.js';

const DAY_MS = 86_400_000;
const BATCH = 200;

/** Deletes expired rows in batches. After `stop` is aborted, no batch begins. @returns how many rows. */
export type Forget = (stop?: AbortSignal) => Promise<number>;

/** Erases and deletes data after its retention time. */
@Injectable()
export class Retention {
  readonly #more = new Map<string, Forget>();

  constructor(
    private readonly store: OnboardingStore,
    private readonly erasure: Erasure,
    keys: IdempotencyKeys,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.register('idempotencyKeys', (stop) => keys.forget(stop));
  }

  /** Registers the deletion of old rows in another table, under a name that operators read. */
  register(name: string, forget: Forget): void {
    if (this.#more.has(name)) throw new Error(`"${name}" is registered twice`);
    this.#more.set(name, forget);
  }

  /** @returns the number of erased onboardings, and of deleted rows for each registered name. */
  async run(stop?: AbortSignal): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const [name, forget] of this.#more) counts[name] = await forget(stop);
    // The erasures come last, because they may take long.
    return { erased: await this.#erase(stop), ...counts };
  }

  async #erase(stop?: AbortSignal): Promise<number> {
    if (this.config.RETENTION_DAYS === 0) return 0;
    const keptMs = this.config.RETENTION_DAYS * DAY_MS;
    let erased = 0;
    // With rests between the batches, erasures could not keep up with many new onboardings.
    await inBatches(BATCH, async (limit) => {
      if (stop?.aborted) return 0;
      const rows = await this.store.rows(KEPT_TOO_LONG, { keptMs, limit });
      let now = 0;
      for (const row of rows) {
        if (await this.erasure.erase(row, 'service')) now += 1;
      }
      erased += now;
      // If nothing was erased, another worker is erasing the same rows.
      return now === 0 ? 0 : rows.length;
    });
    return erased;
  }
}
