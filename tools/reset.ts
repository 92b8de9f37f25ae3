import { runTool, say } from './console.js';
import { stopLeftApps } from './running.js';
import { devServersFolder, removeServers } from './servers.js';

/** Deletes the data of the embedded servers, but not of servers that DATABASE_URL and REDIS_URL name. */
await runTool(async () => {
  await stopLeftApps();
  await removeServers(devServersFolder());
  say('Deleted: the data of the embedded PostgreSQL and Redis. The development keys stay.');
  if (process.env['DATABASE_URL'] || process.env['REDIS_URL']) {
    say('Not changed: the servers that DATABASE_URL and REDIS_URL name.');
  }
});
