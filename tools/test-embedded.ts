import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { serversFolder } from './checkout.js';
import { removeServers, startServers, type Given } from './servers.js';
import type { BareServers } from './test-servers.js';

const NAME = /^test-(\d+)$/;

/**
 * Starts embedded servers for one test run, except those that `given` names, in a folder of this process.
 * First removes the servers of killed runs.
 */
export async function startEmbedded(given: Given): Promise<BareServers> {
  const base = serversFolder();
  for (const name of readdirSync(base)) {
    const owner = Number(NAME.exec(name)?.[1]);
    if (owner && !isAlive(owner)) await removeServers(join(base, name));
  }
  const folder = join(base, `test-${process.pid}`);
  mkdirSync(folder);
  try {
    const servers = await startServers({
      folder,
      password: randomBytes(18).toString('hex'),
      throwaway: true,
      given,
    });
    return { ...servers, stop: () => removeServers(folder) };
  } catch (error) {
    await removeServers(folder);
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the process is alive, but belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
