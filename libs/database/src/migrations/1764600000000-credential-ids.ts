import type { MigrationInterface, QueryRunner } from 'typeorm';
import { buildIndexes, dropIndexes } from '../concurrent-indexes.js';

/** Not unique: a settle must not fail, and two subjects may have had the same id in flight. */
const INDEXES = { credentials_registered: 'credentials (integration, credential_id) WHERE registered' };

/** A credential id is looked for whoever has it. */
export class CredentialIds1764600000000 implements MigrationInterface {
  readonly name = 'CredentialIds1764600000000';
  readonly transaction = false;

  up(runner: QueryRunner): Promise<void> {
    return buildIndexes(runner, INDEXES);
  }

  down(runner: QueryRunner): Promise<void> {
    return dropIndexes(runner, INDEXES);
  }
}
