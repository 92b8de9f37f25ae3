import { DataSource, type DataSourceOptions } from 'typeorm';
import { MIGRATIONS } from './migrations/index.js';

/** A connection that cannot be had in this time is refused, so that a caller hears 503 and not silence. */
const CONNECT_TIMEOUT_MS = 3_000;

/** Options of every connection that the project makes. */
export function dataSourceOptions({
  url,
  poolSize = 2,
}: {
  url: string;
  poolSize?: number;
}): DataSourceOptions {
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
    extra: { keepAlive: true },
  };
}

/** A data source of its own, for tools and tests. The apps get theirs from `DatabaseModule`. */
export function createDataSource(options: { url: string; poolSize?: number }): DataSource {
  return new DataSource(dataSourceOptions(options));
}
