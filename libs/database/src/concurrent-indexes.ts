import type { QueryRunner } from 'typeorm';

/**
 * Builds indexes while their tables are read and written, which no transaction can do: the migration needs
 * `transaction = false`. Cut short, it may be run again.
 *
 * @param indexes by name, what each is on.
 */
export async function buildIndexes(runner: QueryRunner, indexes: Record<string, string>): Promise<void> {
  for (const [name, on] of Object.entries(indexes)) {
    // One that was not built to its end is there, and of no use: it would count as existing.
    const invalid = await runner.query(
      `SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid`,
      [name],
    );
    if (invalid.length > 0) await runner.query(`DROP INDEX CONCURRENTLY IF EXISTS ${name}`);
    await runner.query(`CREATE INDEX CONCURRENTLY IF NOT EXISTS ${name} ON ${on}`);
  }
}

/** In a transaction, as whoever undoes a migration begins one. */
export async function dropIndexes(runner: QueryRunner, indexes: Record<string, string>): Promise<void> {
  await runner.query(`SET LOCAL lock_timeout = '5s'`);
  await runner.query(`DROP INDEX IF EXISTS ${Object.keys(indexes).join(', ')}`);
}
