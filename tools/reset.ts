import { runTool, say } from './console.js';
import { stopLeftApps } from './running.js';
import { devServersFolder, removeServers } from './servers.js';

/** `npm run reset`: forgets the data of the embedded servers; servers that were given are not touched. */
await runTool(async () => {
  await stopLeftApps();
  await removeServers(devServersFolder());
  say('Forgotten: the data of the embedded PostgreSQL and Redis. The development keys stay.');
  if (process.env['DATABASE_URL'] || process.env['REDIS_URL']) {
    say('Not touched: the servers that DATABASE_URL and REDIS_URL name.');
  }
});
