export { parseMigrationUrl } from '#libs/platform';
export { createDataSource, dataSourceOptions, openDataSource } from './data-source.js';
export { findOutage, isDatabaseAway, isRefusal } from './database-fault.js';
export { DatabaseModule } from './database.module.js';
export { DEFAULT_MODULE, LogLevels, type ChangedLevel } from './log-levels.js';
export { migrate } from './migrate.js';
export { PreparedStatements, prepared, type PreparedStatement } from './prepared-statements.js';
