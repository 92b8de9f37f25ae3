import { isDatabaseAway, migrate, parseMigrationUrl } from '#libs/database';
import { Plain, runTool, say } from './console.js';

/** In a deployment, one container runs this tool once. */
await runTool(async () => {
  const done = await migrate(parseMigrationUrl(process.env)).catch((error: Error) => {
    throw isDatabaseAway(error) ? new Plain(error.message) : error;
  });
  say(done.length === 0 ? 'The schema is up to date.' : `Migrated: ${done.join(', ')}`);
});
