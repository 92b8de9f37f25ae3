import pg from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { ConfigError } from '#libs/platform';
import { DatabasePool } from './database-pool.js';
import { MIGRATIONS } from './migrations/index.js';
import { findPoolerFault } from './pooler.js';
import type { Pooler } from './session-settings.js';

/** A connection that takes longer fails, so that the caller gets a 503 instead of no answer. */
const CONNECT_TIMEOUT_MS = 3_000;

export interface Connecting {
  url: string;
  poolSize?: number;
  pooler?: Pooler;
  /** PostgreSQL cancels a statement after this long. By default it never does. */
  statementTimeoutMs?: number;
  /** The driver stops waiting for an answer after this long. By default it never does. */
  queryTimeoutMs?: number;
}

/** Options of every connection that the project makes. */
export function dataSourceOptions({
  url,
  poolSize = 2,
  pooler = 'none',
  statementTimeoutMs = 0,
  queryTimeoutMs,
}: Connecting): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    poolSize,
    migrations: MIGRATIONS,
    migrationsTableName: 'migrations',
    synchronize: false,
    logging: false,
    applicationName: 'gangway',
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    driver: { ...pg, Pool: DatabasePool },
    extra: {
      keepAlive: true,
      pooler,
      statementTimeoutMs,
      ...(queryTimeoutMs !== undefined && { query_timeout: queryTimeoutMs }),
    },
  };
}

/** A separate data source, for tools and tests. The apps get theirs from `DatabaseModule`. */
export function createDataSource(options: Connecting): DataSource {
  return new DataSource(dataSourceOptions(options));
}

/**
 * Checks that connections reach PostgreSQL as `DATABASE_POOLER` says, then opens the data source.
 *
 * @throws ConfigError if they do not.
 */
export async function openDataSource(options: DataSourceOptions): Promise<DataSource> {
  const { url, extra } = options as { url: string; extra: { pooler: Pooler } };
  const fault = await findPoolerFault(url, extra.pooler);
  if (fault !== null) throw new ConfigError([fault]);
  return new DataSource(options).initialize();
}
