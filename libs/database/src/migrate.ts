import { createDataSource } from './data-source.js';

/** Any number will do, as long as every replica takes the same. */
const MIGRATION_LOCK = 7_166_121;

/**
 * Brings the schema up to date. Replicas that start at once take turns: an advisory lock is held meanwhile.
 *
 * @param databaseUrl PostgreSQL connection URL.
 * @returns the names of the migrations that ran now, in order; none when the schema was up to date.
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  const dataSource = await createDataSource({ url: databaseUrl, poolSize: 2 }).initialize();
  try {
    const lock = dataSource.createQueryRunner();
    try {
      await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
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
