import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { CONFIG, ConfigError, type Config } from '#libs/platform';
import { dataSourceOptions, openDataSource } from './data-source.js';
import { DatabaseHealth } from './database-health.js';
import { DatabaseMetrics } from './database-metrics.js';
import { LogLevelFollower } from './log-level-follower.js';
import { LogLevels } from './log-levels.js';
import { PreparedStatements } from './prepared-statements.js';

/** Without an answer for this time, PostgreSQL counts as away. */
const QUERY_TIMEOUT_MS = 5_000;
/**
 * Shorter than QUERY_TIMEOUT_MS. Otherwise, PostgreSQL could commit a claim after the service has given up,
 * and no call would follow.
 */
const STATEMENT_TIMEOUT_MS = 4_000;

@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [CONFIG],
      useFactory: (config: Config) => ({
        ...dataSourceOptions({
          url: config.DATABASE_URL,
          poolSize: config.DATABASE_POOL_SIZE,
          pooler: config.DATABASE_POOLER,
          queryTimeoutMs: QUERY_TIMEOUT_MS,
          statementTimeoutMs: STATEMENT_TIMEOUT_MS,
        }),
        autoLoadEntities: true,
        retryAttempts: 5,
        retryDelay: 1_000,
        toRetry: (error: unknown) => !(error instanceof ConfigError),
      }),
      dataSourceFactory: (options) => openDataSource(options!),
    }),
  ],
  providers: [DatabaseHealth, DatabaseMetrics, LogLevels, LogLevelFollower, PreparedStatements],
  exports: [LogLevels, PreparedStatements, TypeOrmModule],
})
export class DatabaseModule {}
