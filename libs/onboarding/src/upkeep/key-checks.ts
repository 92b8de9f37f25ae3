import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { Log } from '#libs/platform';
import { DataKeys } from '../store/data-keys.js';
import { LAST_ANCHORED, ONE_PER_SEALING_KEY } from '../store/statements/reseal.js';
import { Timelines } from './timelines.js';

/**
 * Logs at boot which keys do not fit the database. With wrong keys, a restored database looks complete, but
 * no API key works, and no secret can be decrypted.
 */
@Injectable()
export class KeyChecks implements OnApplicationBootstrap {
  readonly #logger = new Log('KeyChecks');

  constructor(
    private readonly statements: PreparedStatements,
    private readonly dataKeys: DataKeys,
    private readonly timelines: Timelines,
  ) {}

  /** Never stops the boot: without a key, its rows can still be read, cancelled and erased. */
  async onApplicationBootstrap(): Promise<void> {
    try {
      for (const fault of await this.faults()) this.#logger.error({}, fault);
    } catch {
      // PostgreSQL is away, or migrations are missing. The readiness check reports both.
    }
  }

  /** @returns a sentence for each variable and key that does not fit, without secrets. */
  async faults(): Promise<string[]> {
    return [...(await this.#sealingKeys()), ...(await this.#hashKey())];
  }

  async #sealingKeys(): Promise<string[]> {
    const rows = await this.statements.run<{ keyId: string; id: string; sealedDataKey: Buffer }>(
      ONE_PER_SEALING_KEY,
      [],
    );
    return rows
      .filter((row) => !this.#opens(row))
      .map(
        ({ keyId }) =>
          `SEALING_KEYS does not have the key "${keyId}" that this database was written with: put it back`,
      );
  }

  #opens(row: { id: string; sealedDataKey: Buffer }): boolean {
    try {
      this.dataKeys.sealerOf(row);
      return true;
    } catch {
      return false;
    }
  }

  async #hashKey(): Promise<string[]> {
    const anchored = await this.statements.run<{ id: string }>(LAST_ANCHORED, []);
    const reports = await Promise.all(anchored.map(({ id }) => this.timelines.verifyTimeline(id)));
    // A single timeline may have been altered. If none fits its anchor, the key is wrong.
    const differs = reports.length > 0 && reports.every(({ fault }) => fault?.fault === 'anchor');
    return differs ? ['HASH_KEY is not the key that this database was written with: put it back'] : [];
  }
}
