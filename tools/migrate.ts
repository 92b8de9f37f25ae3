import { migrate } from '#libs/database';
import { Plain, runTool, say } from './console.js';

/** Brings the database that DATABASE_URL names to this version's schema; containers run this once. */
await runTool(async () => {
  const url = process.env['DATABASE_URL'];
  if (!url) throw new Plain('DATABASE_URL is not set: which database is to be migrated?');
  const done = await migrate(url);
  say(done.length === 0 ? 'The schema is up to date.' : `Migrated: ${done.join(', ')}`);
});
