import { migrate, parseMigrationUrl } from '#libs/database';
import { runTool, say } from './console.js';

/** Brings the database of the environment to this version's schema; containers run this once. */
await runTool(async () => {
  const done = await migrate(parseMigrationUrl(process.env));
  say(done.length === 0 ? 'The schema is up to date.' : `Migrated: ${done.join(', ')}`);
});
