import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { CONFIG, type Config } from '#libs/platform';
import { erasureOfEnded } from './erasure.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { OnboardingStore, type Condition } from './onboarding.store.js';
import { NOW, prepared } from './statement.js';

const DAY_MS = 86_400_000;
const BATCH = 200;

const KEPT_TOO_LONG = `
  SELECT id FROM onboardings
  WHERE state IN ('completed', 'failed', 'expired', 'cancelled') AND erased_at IS NULL
    AND updated_at < ${NOW} - $1::float8 * interval '1 millisecond'
  ORDER BY updated_at LIMIT $2`;

/** Forgets what is over. @returns how much it was. */
export type Forget = () => Promise<number>;

/** Ends the keeping of what nobody needs any more: in batches, each of small statements. */
@Injectable()
export class Retention {
  readonly #more = new Map<string, Forget>();

  constructor(
    private readonly statements: PreparedStatements,
    private readonly store: OnboardingStore,
    keys: IdempotencyKeys,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    this.register('idempotencyKeys', () => keys.forget());
  }

  /** A lib that owns a table has it forgotten here, under a name that operators read. */
  register(name: string, forget: Forget): void {
    if (this.#more.has(name)) throw new Error(`"${name}" is forgotten twice`);
    this.#more.set(name, forget);
  }

  /** @returns how many onboardings were erased, and how much of what else was forgotten. */
  async run(): Promise<Record<string, number>> {
    const counts: Record<string, number> = { erased: await this.#erase() };
    for (const [name, forget] of this.#more) counts[name] = await forget();
    return counts;
  }

  async #erase(): Promise<number> {
    if (this.config.RETENTION_DAYS === 0) return 0;
    const keptMs = this.config.RETENTION_DAYS * DAY_MS;
    // Whoever touched it meanwhile, to resolve a doubt, still has a use for it.
    const stillSo: Condition = (b) =>
      `o.updated_at < clock_timestamp() - ${b.bind(keptMs, 'float8')} * interval '1 millisecond'`;
    for (let erased = 0; ;) {
      const rows = await this.statements.run<{ id: string }>(prepared(KEPT_TOO_LONG), [keptMs, BATCH]);
      let now = 0;
      for (const { id } of rows) {
        if (await this.store.change(erasureOfEnded(id, [stillSo], 'service'))) now += 1;
      }
      erased += now;
      // Where somebody else erases the same, there is nothing left to do.
      if (rows.length < BATCH || now === 0) return erased;
    }
  }
}
