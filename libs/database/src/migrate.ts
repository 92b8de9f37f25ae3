import { setTimeout as pause } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import { ConfigError } from '#libs/platform';
import { createDataSource } from './data-source.js';
import { hasSessions } from './pooler.js';

/** Any number will do, as long as every replica takes the same. */
const MIGRATION_LOCK = 7_166_121;
const ASK_EVERY_MS = 200;

/**
 * Brings the schema up to date. Replicas that start at once take turns: an advisory lock is held meanwhile.
 *
 * @param databaseUrl PostgreSQL connection URL.
 * @returns the names of the migrations that ran now, in order; none when the schema was up to date.
 * @throws ConfigError if a pooler may give each transaction another connection.
 * @throws Error where a table was not to be had within seconds; what ran before that stays, and the rest may be run again.
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  if (!(await hasSessions(databaseUrl))) {
    const detail = 'is missing or goes through a pooler in transaction mode: migrations need a session';
    throw new ConfigError([{ variable: 'MIGRATION_DATABASE_URL', detail }]);
  }
  const dataSource = await createDataSource({ url: databaseUrl, poolSize: 2 }).initialize();
  try {
    const lock = dataSource.createQueryRunner();
    try {
      await takeTurn(lock);
      const ran = await dataSource.runMigrations({ transaction: 'each' });
      await lock.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
      return ran.map((migration) => migration.name);
    } finally {
      await lock.release();
    }
  } finally {
    await dataSource.destroy();
  }
}

/**
 * Asks again and again, and does not wait in PostgreSQL: `CREATE INDEX CONCURRENTLY` waits for every statement that runs,
 * and so for one that waits for its own turn, for ever.
 */
async function takeTurn(lock: QueryRunner): Promise<void> {
  for (;;) {
    const [{ taken }] = await lock.query('SELECT pg_try_advisory_lock($1) AS taken', [MIGRATION_LOCK]);
    if (taken) return;
    await pause(ASK_EVERY_MS);
  }
}
