export { createDataSource } from './data-source.js';
export { isDatabaseAway, isRefusal, isWorthRepeating, violatedUniqueConstraint } from './database-fault.js';
export { DatabaseModule } from './database.module.js';
export { migrate } from './migrate.js';
export { MIGRATIONS } from './migrations/index.js';
export { PreparedStatements, type PreparedStatement } from './prepared-statements.js';
