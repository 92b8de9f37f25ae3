export { parseMigrationUrl } from '#libs/platform';
export { createDataSource, dataSourceOptions, openDataSource } from './data-source.js';
export { findOutage, isDatabaseAway, isRefusal, violatedUniqueConstraint } from './database-fault.js';
export { DatabaseModule } from './database.module.js';
export { migrate } from './migrate.js';
export { MIGRATIONS } from './migrations/index.js';
export { PreparedStatements, prepared, type PreparedStatement } from './prepared-statements.js';
