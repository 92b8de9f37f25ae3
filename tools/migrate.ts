import { migrate, parseMigrationUrl } from '#libs/database';
import { runTool, say } from './console.js';

/**
 * Migrates the database of DATABASE_URL to this version's schema. In a deployment, one container runs this
 * once.
 */
await runTool(async () => {
  const done = await migrate(parseMigrationUrl(process.env));
  say(done.length === 0 ? 'The schema is up to date.' : `Migrated: ${done.join(', ')}`);
});
