import { createServer } from 'node:net';
import { Plain, say } from './console.js';

const TRIES = 50;
const taken = new Set<number>();

/** Whether this process could listen on the port of 127.0.0.1 now. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

/**
 * Finds a port on 127.0.0.1 for somebody to listen on: the preferred one, or else the next free one, and says
 * so aloud. A port is given out once per process, since who asked may not listen on it yet.
 *
 * @param who the name that the message uses
 * @param preferred 1 to 65535
 * @throws Plain if none of the 50 ports from the preferred one on is free
 */
export async function findPort(who: string, preferred: number): Promise<number> {
  for (let port = preferred; port < Math.min(preferred + TRIES, 65_536); port += 1) {
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    if (port !== preferred) say(`  port ${preferred} is taken: ${who} uses ${port}`);
    return port;
  }
  throw new Plain(`${who}: none of the ports ${preferred} to ${preferred + TRIES - 1} is free.`);
}

/**
 * Reads a port from the environment.
 *
 * @throws Plain if the variable is set to anything but a port
 */
export function portFromEnv(variable: string, fallback: number): number {
  const text = process.env[variable];
  if (text === undefined || text === '') return fallback;
  const port = Number(text);
  if (!/^\d+$/.test(text) || port < 1 || port > 65_535) {
    throw new Plain(`${variable} must be a port from 1 to 65535, not "${text}".`);
  }
  return port;
}
