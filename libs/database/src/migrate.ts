import { setTimeout as pause } from 'node:timers/promises';
import type { QueryRunner } from 'typeorm';
import { ConfigError } from '#libs/platform';
import { createDataSource, nameVariable } from './data-source.js';
import { hasSessions } from './pooler.js';

/** Arbitrary, but the same in every replica. */
const MIGRATION_LOCK = 7_166_121;
const ASK_EVERY_MS = 200;

/**
 * Runs missing migrations under an advisory lock, so that replicas take turns.
 *
 * @returns the names of the migrations that it ran, in order.
 * @throws ConfigError if the connection goes through a pooler in transaction mode.
 * @throws Error if a migration fails. The next run continues with it.
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const named = nameVariable('MIGRATION_DATABASE_URL, or DATABASE_URL');
  if (!(await hasSessions(databaseUrl).catch(named))) {
    const detail = 'is missing or goes through a pooler in transaction mode, which migrations cannot use';
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
 * A wait inside PostgreSQL would be a running statement, for which `CREATE INDEX CONCURRENTLY` of the first
 * replica would wait forever.
 */
async function takeTurn(lock: QueryRunner): Promise<void> {
  for (;;) {
    const [{ taken }] = await lock.query('SELECT pg_try_advisory_lock($1) AS taken', [MIGRATION_LOCK]);
    if (taken) return;
    await pause(ASK_EVERY_MS);
  }
}
