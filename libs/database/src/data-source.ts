import pg from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { ConfigError } from '#libs/platform';
import { DatabasePool } from './database-pool.js';
import { MIGRATIONS } from './migrations/index.js';
import { findPoolerFault } from './pooler.js';
import type { Pooler } from './session-settings.js';

/** After this time without a connection, the caller gets a 503. */
const CONNECT_TIMEOUT_MS = 3_000;

export interface Connecting {
  url: string;
  poolSize?: number;
  pooler?: Pooler;
  /** After this time, PostgreSQL cancels a statement; by default, never. */
  statementTimeoutMs?: number;
  /** After this time, the driver stops waiting for an answer; by default, never. */
  queryTimeoutMs?: number;
}

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

/** For tools and tests. The apps use `DatabaseModule`. */
export function createDataSource(options: Connecting): DataSource {
  return new DataSource(dataSourceOptions(options));
}

/**
 * Checks first that `DATABASE_POOLER` fits the connection.
 *
 * @throws ConfigError if it does not fit.
 * @throws PostgreSQL's or the driver's error, with `DATABASE_URL` in its message.
 */
export async function openDataSource(options: DataSourceOptions): Promise<DataSource> {
  const { url, extra } = options as { url: string; extra: { pooler: Pooler } };
  const fault = await findPoolerFault(url, extra.pooler).catch(nameVariable('DATABASE_URL'));
  if (fault !== null) throw new ConfigError([fault]);
  return new DataSource(options).initialize();
}

/** Throws the same error object, because callers read its `code`. */
export const nameVariable = (variable: string) => (error: Error & { code?: string }) => {
  error.message = `${variable}: ${error.message || error.code}`;
  throw error;
};
