import { Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { inBatches } from '#libs/kernel';
import { Log, Metrics, Sealer, samplesBy } from '#libs/platform';
import { DataKeys } from '../store/data-keys.js';
import { KEY_USE, OTHER_KEY_IDS, SEALED_WITH, WRAP } from '../store/statements/reseal.js';

const BATCH = 200;

/**
 * How many values in the database only this key can decrypt, by key id. Each key of `SEALING_KEYS` has an
 * entry.
 */
export type KeyUse = Record<string, number>;

const FIRST = '00000000-0000-0000-0000-000000000000';

export interface ResealCounts {
  resealed: number;
  /** Rows whose data key is sealed with a key that SEALING_KEYS does not have. */
  unopenable: number;
  left: KeyUse;
}

/**
 * Re-encrypts data keys under an old key with the first of `SEALING_KEYS`. Each write checks that the value
 * has not changed, so several processes may run at once, and a run may stop at any point.
 */
@Injectable()
export class Reseal {
  readonly #logger = new Log('Reseal');
  #left: KeyUse = {};

  constructor(
    private readonly statements: PreparedStatements,
    private readonly ring: Sealer,
    private readonly dataKeys: DataKeys,
    metrics: Metrics,
  ) {
    metrics.gauge('gangway_sealing_key_uses', () => samplesBy('key', this.#left));
  }

  async run(): Promise<ResealCounts> {
    const counts = { resealed: 0, unopenable: 0 };
    const others = await this.statements.run<{ id: string }>(
      OTHER_KEY_IDS,
      OTHER_KEY_IDS.bind({ currentId: this.ring.currentId }),
    );
    for (const { id } of others) {
      if (this.ring.ids.includes(id)) counts.resealed += await this.#wrapAll(id);
      else counts.unopenable += (await this.uses())[id] ?? 0;
    }
    if (counts.unopenable > 0) {
      const fault = `${counts.unopenable} onboardings are sealed with keys that SEALING_KEYS does not have`;
      this.#logger.error({ count: counts.unopenable }, `${fault}: put them back`);
    }
    return { ...counts, left: await this.uses() };
  }

  /** A key without values may be removed, unless it is the first key. */
  async uses(): Promise<KeyUse> {
    const rows = await this.statements.run<{ id: string; uses: number }>(KEY_USE, []);
    const uses = Object.fromEntries(this.ring.ids.map((id) => [id, 0]));
    for (const { id, uses: count } of rows) uses[id] = count;
    this.#left = { ...Object.fromEntries(Object.keys(this.#left).map((id) => [id, 0])), ...uses };
    return uses;
  }

  async #wrapAll(keyId: string): Promise<number> {
    let resealed = 0;
    let after = FIRST;
    // No rests between the batches, because an operator waits for the result.
    await inBatches(BATCH, async (limit) => {
      const rows = await this.statements.run<{ id: string; sealedDataKey: Buffer }>(
        SEALED_WITH,
        SEALED_WITH.bind({ keyId, after, limit }),
      );
      const wrapped = await this.statements.run(
        WRAP,
        WRAP.bind({
          ids: rows.map(({ id }) => id),
          seen: rows.map(({ sealedDataKey }) => sealedDataKey),
          fresh: rows.map((row) => this.dataKeys.rewrapped(row.id, row.sealedDataKey).sealedDataKey),
          keyId: this.ring.currentId,
        }),
      );
      resealed += wrapped.length;
      after = rows.at(-1)?.id ?? after;
      return rows.length;
    });
    return resealed;
  }
}
