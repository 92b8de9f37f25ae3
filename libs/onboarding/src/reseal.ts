import { Injectable, Logger } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { Metrics, Sealer } from '#libs/platform';
import { ClearRemains, type ClearRemainsSealed } from './clear-remains.js';
import { DataKeys, OF_THE_ROW } from './data-keys.js';
import { LIVE_STATES } from './machine.js';
import { SEALED } from './secrets.js';
import { columnOf, prepared } from './statement.js';

const BATCH = 200;

/** By key id: how many values in the database only that key opens. Those of `SEALING_KEYS` are all there. */
export type KeyUse = Record<string, number>;

const keyIn = (sealed: string) =>
  `convert_from(substring(${sealed} FROM 2 FOR get_byte(${sealed}, 0)), 'UTF8')`;

/** Rows of the version before, and writes of it while it still runs, are sealed by the ring itself. */
const KEY_USE = `
  SELECT id, sum(uses)::int AS uses FROM (
    SELECT data_key_id AS id, count(*) AS uses FROM onboardings WHERE data_key_id IS NOT NULL GROUP BY 1
    UNION ALL
    SELECT ${keyIn('each.sealed')}, count(*) FROM onboardings o
    CROSS JOIN LATERAL (VALUES ${SEALED.map((field) => `(o.${columnOf(field)})`).join(', ')}) AS each (sealed)
    WHERE o.state IN (${LIVE_STATES.map((state) => `'${state}'`).join(', ')}) AND each.sealed IS NOT NULL
    GROUP BY 1
    UNION ALL
    SELECT ${keyIn('sealed_answer')}, count(*) FROM idempotency_keys WHERE sealed_answer IS NOT NULL GROUP BY 1
  ) AS used WHERE id <> '${OF_THE_ROW}' GROUP BY id`;

/** The ids that there are, each found by one step into the index, however many rows have it. */
const KEY_IDS = `
  WITH RECURSIVE ids AS (
    (SELECT data_key_id AS id FROM onboardings WHERE data_key_id IS NOT NULL ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT data_key_id FROM onboardings WHERE data_key_id > ids.id ORDER BY 1 LIMIT 1) FROM ids
    WHERE ids.id IS NOT NULL
  )
  SELECT id FROM ids WHERE id IS NOT NULL AND id <> $1`;

const SEALED_WITH = `
  SELECT id, sealed_data_key AS "sealedDataKey" FROM onboardings
  WHERE data_key_id = $1 AND id > $2::uuid ORDER BY id LIMIT $3`;

/** A row that is being written, erased or sealed anew by another is left to the next run. */
const WRAP = `
  WITH free AS (
    SELECT o.id, v.fresh FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS v (id, seen, fresh)
    JOIN onboardings o ON o.id = v.id AND o.sealed_data_key = v.seen
    ORDER BY o.id FOR UPDATE OF o SKIP LOCKED
  )
  UPDATE onboardings o SET sealed_data_key = free.fresh, data_key_id = $4
  FROM free WHERE o.id = free.id RETURNING 1`;

const FIRST = '00000000-0000-0000-0000-000000000000';

/** What one run did, and what hangs on each key after it. */
export interface ResealCounts extends ClearRemainsSealed {
  resealed: number;
  /** Rows whose key is sealed with one that SEALING_KEYS does not have. */
  unopenable: number;
  left: KeyUse;
}

/**
 * Seals with the first of `SEALING_KEYS` what is sealed with another: the rows' keys, not what these seal. A write names
 * what it replaces, so that it may be done by several at once, and cut short anywhere.
 */
@Injectable()
export class Reseal {
  readonly #logger = new Logger(Reseal.name);
  #left: KeyUse = {};

  constructor(
    private readonly statements: PreparedStatements,
    private readonly ring: Sealer,
    private readonly dataKeys: DataKeys,
    private readonly remains: ClearRemains,
    metrics: Metrics,
  ) {
    const help = 'Values that only this sealing key opens, as the last reseal counted them';
    metrics.gauge('gangway_sealing_key_uses', help, 'key', () => this.#left);
  }

  async run(): Promise<ResealCounts> {
    const sealed = await this.remains.seal();
    const counts = { resealed: 0, unopenable: 0 };
    const others = await this.statements.run<{ id: string }>(prepared(KEY_IDS), [this.ring.currentId]);
    for (const { id } of others) {
      if (this.ring.ids.includes(id)) counts.resealed += await this.#wrapAll(id);
      else counts.unopenable += (await this.uses())[id] ?? 0;
    }
    if (counts.unopenable > 0) {
      this.#logger.error(
        `${counts.unopenable} onboardings are sealed with keys that SEALING_KEYS does not have: put them back`,
      );
    }
    return { ...counts, ...sealed, left: await this.uses() };
  }

  /** What hangs on each key: one that shows 0, and is not the first, may be dropped. */
  async uses(): Promise<KeyUse> {
    const rows = await this.statements.run<{ id: string; uses: number }>(prepared(KEY_USE), []);
    const uses = Object.fromEntries(this.ring.ids.map((id) => [id, 0]));
    for (const { id, uses: count } of rows) uses[id] = count;
    this.#left = { ...Object.fromEntries(Object.keys(this.#left).map((id) => [id, 0])), ...uses };
    return uses;
  }

  async #wrapAll(keyId: string): Promise<number> {
    let resealed = 0;
    for (let after = FIRST; ;) {
      const rows = await this.statements.run<{ id: string; sealedDataKey: Buffer }>(prepared(SEALED_WITH), [
        keyId,
        after,
        BATCH,
      ]);
      const fresh = rows.map((row) => this.dataKeys.wrappedAnew(row.id, row.sealedDataKey).sealedDataKey);
      const wrapped = await this.statements.run(prepared(WRAP), [
        rows.map((row) => row.id),
        rows.map((row) => row.sealedDataKey),
        fresh,
        this.ring.currentId,
      ]);
      resealed += wrapped.length;
      if (rows.length < BATCH) return resealed;
      after = rows.at(-1)!.id;
    }
  }
}
